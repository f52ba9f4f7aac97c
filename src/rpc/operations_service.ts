/** The calls of operators: parse, call, map, and nothing else. */

import { abortable } from "@std/async";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Administration } from "../admin/mod.ts";
import { invalid } from "../errors.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import type { OperationsService } from "../wire/mod.ts";
import {
  failureMessage,
  imageMessage,
  operationMessage,
  snapshotMessage,
  workspaceMessage,
} from "./operation_messages.ts";
import { nodeMessage } from "./node_message.ts";
import { pageOf, parsePage, tokenOf } from "./paging.ts";
import { parseId, parseName } from "./parse.ts";
import { parseDeleteImages, parseGrace, parseImageFilter, parseUrls } from "./parse_images.ts";
import type { Handlers } from "./unary.ts";

/** Milliseconds. */
const DEFAULT_WAIT = 60_000;
const MAX_WAIT = 600_000;
/** Operations that have ended, in one answer. */
const MAX_ENDED = 500;
/** So that keys are in the order of the numbers. */
const SEQUENCE_DIGITS = 16;
const OPERATION_ID = /^[0-9a-f]{16}$/;

/** Implements `wsdaemon.operations.v1.OperationsService` on top of `administration`. */
export function operationsService(
  administration: Administration,
): Handlers<typeof OperationsService> {
  const { operations } = administration;
  return {
    async getNode() {
      return { node: nodeMessage(await administration.node()) };
    },
    async listWorkspaces(request, { signal }) {
      const wanted = administration.workspaces()
        .filter(({ record }) => request.owner === "" || record.owner === request.owner);
      const { items, nextPageToken } = pageOf(wanted, ({ id }) => id, request);
      const views = await administration.views(items, signal);
      return { workspaces: views.map(workspaceMessage), nextPageToken };
    },
    async getWorkspace({ id, measure }, { signal }) {
      const view = await administration.view(parseId(id), { measure, signal });
      return { workspace: workspaceMessage(view) };
    },
    listOperations(request) {
      const wanted = operations.all().filter(({ state, parent, subject }) =>
        (!request.runningOnly || state === "running") && (!request.rootsOnly || !parent) &&
        (request.workspaceId === "" || subject.workspace === request.workspaceId)
      );
      const keyOf = ({ sequence }: Operation) => `${sequence}`.padStart(SEQUENCE_DIGITS, "0");
      const { items, nextPageToken } = pageOf(wanted, keyOf, request);
      const positions = operations.positions();
      return {
        operations: items.map((operation) =>
          operationMessage(operation, positions, { isListed: true })
        ),
        nextPageToken,
      };
    },
    getOperation({ id }) {
      const operation = operations.get(parseOperationId(id));
      return { operation: operationMessage(operation, operations.positions()) };
    },
    async watchOperations({ revision, maxWait }, { signal }) {
      const known = parseRevision(revision, operations);
      if (known >= 0) await waitForChange(operations, known, parseWait(maxWait), signal);
      const changes = operations.changesSince(Math.max(known, 0), MAX_ENDED);
      const positions = operations.positions();
      return {
        operations: changes.operations.map((one) =>
          operationMessage(one, positions, { isListed: true })
        ),
        revision: `${operations.epoch}-${changes.revision}`,
        truncated: changes.isTruncated,
      };
    },
    async cancelOperation({ id }, { signal }) {
      const operation = operations.cancel(parseOperationId(id));
      await abortable(operation.ended, signal);
      return { operation: operationMessage(operation, operations.positions()) };
    },
    async getSnapshot({ url }, { signal }) {
      return snapshotMessage(await administration.snapshot(url, signal));
    },
    async drainNode() {
      const operation = await administration.drain();
      return { operation: operationMessage(operation, operations.positions()) };
    },
    undrainNode() {
      return { wasDrained: administration.undrain() };
    },
    ...imageHandlers(administration),
  };
}

/** Implements the calls that concern the store's images. */
function imageHandlers(administration: Administration) {
  const { operations } = administration;
  return {
    async listImages(request, { signal }) {
      const filter = parseImageFilter(request);
      const page = await administration.images(filter, parsePage(request), signal);
      return {
        images: page.images.map(imageMessage),
        nextPageToken: page.last === undefined ? "" : tokenOf(page.last),
        unreadable: page.unreadable,
      };
    },
    async getImage({ url }, { signal }) {
      const { image, layers, storedBytes } = await administration.image(url, signal);
      return { image: imageMessage(image), layers, storedBytes: BigInt(storedBytes) };
    },
    async deleteImages(request, { signal }) {
      const wanted = parseDeleteImages(request);
      const { urls, failures } = "urls" in wanted
        ? await administration.deleteImages(wanted.urls, signal)
        : await administration.deleteImagesOf(wanted, signal);
      return {
        urls,
        failures: failures.map(({ url, error }) => ({ url, failure: failureMessage(error) })),
      };
    },
    async deleteOwner(request, { signal }) {
      const owner = parseName(request.owner, "owner");
      const { images, logs } = await administration.deleteOwner(owner, signal);
      return { images: BigInt(images), logs: BigInt(logs) };
    },
    async runCollection({ grace, dryRun, force }) {
      const graceMs = parseGrace(grace);
      const operation = await administration.collect({ graceMs, dryRun, force });
      return { operation: operationMessage(operation, operations.positions()) };
    },
    async runVerification({ urls, quarantine }) {
      const operation = await administration.verify({ urls: parseUrls(urls), quarantine });
      return { operation: operationMessage(operation, operations.positions()) };
    },
  } satisfies Partial<Handlers<typeof OperationsService>>;
}

function parseOperationId(id: string): string {
  if (OPERATION_ID.test(id)) return id;
  throw invalid("id", "must be an operation's: 16 hexadecimal digits");
}

/** Returns the number of a revision of this registry; -1 for none, or one of a daemon that has ended. */
function parseRevision(text: string, { epoch, revision }: OperationRegistry): number {
  if (text === "") return -1;
  const match = /^([0-9a-f]{16})-(\d{1,15})$/.exec(text);
  if (!match) throw invalid("revision", "must be the revision of the answer before");
  const number = Number(match[2]);
  return match[1] === epoch && number <= revision ? number : -1;
}

function parseWait(duration: Duration | undefined): number {
  if (!duration) return DEFAULT_WAIT;
  const milliseconds = durationMs(duration);
  if (milliseconds < 0) throw invalid("max_wait", "must not be negative");
  return Math.min(milliseconds, MAX_WAIT);
}

/** Waits until there is a change, or for so long. @throws the reason of `signal` */
async function waitForChange(
  operations: OperationRegistry,
  revision: number,
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const elapsed = new AbortController();
  const timer = setTimeout(() => elapsed.abort(), milliseconds);
  try {
    await operations.changed(revision, AbortSignal.any([signal, elapsed.signal]));
  } catch (error) {
    if (!elapsed.signal.aborted || signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
}
