/** Serves `grpc.health.v1` and server reflection beside the API. */

import "../patches/mod.ts";
import { Buffer } from "node:buffer";
import { toBinary } from "@bufbuild/protobuf";
import {
  file_google_protobuf_duration,
  file_google_protobuf_timestamp,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, service as healthService } from "grpc-health-check";
import {
  file_content_service_api_initializer,
  file_daemon,
  file_wsdaemon_operations_v1_operations,
  OperationsService,
  WorkspaceContentService,
} from "../wire/mod.ts";

/** The names that health is asked by: those of the services, and "" for the server. */
const HEALTH_NAMES = ["", WorkspaceContentService.typeName, OperationsService.typeName] as const;

/** The health service; it says NOT_SERVING until it is told otherwise. */
export class Health {
  readonly #health = new HealthImplementation(
    Object.fromEntries(HEALTH_NAMES.map((name) => [name, "NOT_SERVING" as const])),
  );

  addTo(server: Server): void {
    this.#health.addToServer(server);
  }

  set(serving: boolean): void {
    for (const name of HEALTH_NAMES) {
      this.#health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    }
  }
}

type Package = ConstructorParameters<typeof ReflectionService>[0];

/** Adds server reflection, v1 and v1alpha, for the services and for health. */
export function addReflection(server: Server): void {
  const ours = [
    file_google_protobuf_duration,
    file_google_protobuf_timestamp,
    file_content_service_api_initializer,
    file_daemon,
    file_wsdaemon_operations_v1_operations,
  ].map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  // Reflection reads nothing of a package definition but the file descriptors.
  const described: Package = {
    wsdaemon: { format: "", type: {}, fileDescriptorProtos: ours } as unknown as Package[string],
    health: healthService["Check"]!.requestType as Package[string],
  };
  new ReflectionService(described).addToServer(server);
}
