/** The client of the calls of operators. */

import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { OperationsService } from "../wire/mod.ts";
import type { CallOptions, Connection } from "./connection.ts";

/** The calls of operators, by name. */
type Methods = typeof OperationsService["method"];

/** Calls what operators see of a daemon and do to it; see `docs/api.md`. */
export class OperationsClient {
  readonly #connection: Connection;

  /** @param connection closed by its owner */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Makes a call. A failure rejects with a `ClientError`; nothing is retried. */
  call<N extends keyof Methods>(
    name: N,
    request: MessageInitShape<Methods[N]["input"]>,
    options?: CallOptions,
  ): Promise<MessageShape<Methods[N]["output"]>> {
    const method: DescMethodUnary = OperationsService.method[name];
    const init = request as MessageInitShape<DescMessage>;
    return this.#connection.call(method, init, options) as Promise<
      MessageShape<Methods[N]["output"]>
    >;
  }
}
