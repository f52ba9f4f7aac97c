/** The client of the calls of operators. */

import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { type Operation, OperationsService, type Workspace } from "../wire/mod.ts";
import type { CallOptions, Connection } from "./connection.ts";

/** The calls of operators, by name. */
type Methods = typeof OperationsService["method"];

/** The calls that answer in pages. */
type ListName = "listImages" | "listOperations" | "listWorkspaces";

/** What one of them is asked for, beside the page. */
type ListFilter<N extends ListName> = Omit<
  MessageInitShape<Methods[N]["input"]>,
  "$typeName" | "pageSize" | "pageToken"
>;

/** Items in one answer. */
const PAGE_SIZE = 500;

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

  /** Makes a call that answers in pages for as many as there are. `options` are those of each call. */
  async *pages<N extends ListName>(
    name: N,
    filter: ListFilter<N>,
    options?: CallOptions,
  ): AsyncGenerator<MessageShape<Methods[N]["output"]>> {
    let pageToken = "";
    do {
      const request = { ...filter, pageToken, pageSize: PAGE_SIZE };
      const page = await this.call(name, request as MessageInitShape<Methods[N]["input"]>, options);
      yield page;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Lists workspaces, by id. */
  async *workspaces(
    filter: ListFilter<"listWorkspaces">,
    options?: CallOptions,
  ): AsyncGenerator<Workspace> {
    for await (const page of this.pages("listWorkspaces", filter, options)) yield* page.workspaces;
  }

  /** Lists operations, in the order in which they began. */
  async *operations(
    filter: ListFilter<"listOperations">,
    options?: CallOptions,
  ): AsyncGenerator<Operation> {
    for await (const page of this.pages("listOperations", filter, options)) yield* page.operations;
  }
}
