import { assertEquals } from "@std/assert";
import { create, equals, fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  type DisposeWorkspaceResponse,
  DisposeWorkspaceResponseSchema,
  encode,
  type InitWorkspaceRequest,
  InitWorkspaceRequestSchema,
  methodPath,
  WorkspaceContentService,
} from "../../src/wire/mod.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const count = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

const initRequest: fc.Arbitrary<InitWorkspaceRequest> = fc.record({
  id: text,
  owner: text,
  metaId: text,
  urls: fc.array(text, { maxLength: 4 }),
  storageQuotaBytes: count,
  remoteStorageDisabled: fc.boolean(),
}).map(({ id, owner, metaId, urls, storageQuotaBytes, remoteStorageDisabled }) =>
  create(InitWorkspaceRequestSchema, {
    id,
    metadata: { owner, metaId },
    initializer: {
      spec: {
        case: "composite",
        value: {
          initializer: urls.map((snapshot) => ({
            spec: { case: "snapshot" as const, value: { snapshot } },
          })),
        },
      },
    },
    storageQuotaBytes,
    remoteStorageDisabled,
  })
);

const disposeResponse: fc.Arbitrary<DisposeWorkspaceResponse> = fc.record({
  branch: text,
  untrackedFiles: fc.array(text, { maxLength: 4 }),
  totalUntrackedFiles: count,
}).map((gitStatus) => create(DisposeWorkspaceResponseSchema, { gitStatus }));

Deno.test("each method is called by the path that existing clients use", () => {
  assertEquals(Object.values(WorkspaceContentService.method).map(methodPath), [
    "/wsdaemon.WorkspaceContentService/InitWorkspace",
    "/wsdaemon.WorkspaceContentService/WaitForInit",
    "/wsdaemon.WorkspaceContentService/IsWorkspaceExists",
    "/wsdaemon.WorkspaceContentService/TakeSnapshot",
    "/wsdaemon.WorkspaceContentService/DisposeWorkspace",
    "/wsdaemon.WorkspaceContentService/BackupWorkspace",
  ]);
});

Deno.test("a message is read back from its bytes as it was", () => {
  fc.assert(fc.property(initRequest, (request) => {
    const bytes = encode(InitWorkspaceRequestSchema, request);
    const read = fromBinary(InitWorkspaceRequestSchema, bytes);
    return equals(InitWorkspaceRequestSchema, read, request);
  }));
  fc.assert(fc.property(disposeResponse, (response) => {
    const bytes = encode(DisposeWorkspaceResponseSchema, response);
    const read = fromBinary(DisposeWorkspaceResponseSchema, bytes);
    return equals(DisposeWorkspaceResponseSchema, read, response);
  }));
});

Deno.test("an encoded message is a Buffer of the message's own bytes and no others", () => {
  const bytes = encode(InitWorkspaceRequestSchema, create(InitWorkspaceRequestSchema, { id: "a" }));
  assertEquals([...bytes], [0x0a, 1, "a".charCodeAt(0)]);
  assertEquals(bytes.toString("hex"), "0a0161");
});
