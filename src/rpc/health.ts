/** Serves `grpc.health.v1` and server reflection beside the API. */

import "../patches/mod.ts";
import { Buffer } from "node:buffer";
import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation, service as healthService } from "grpc-health-check";

/** The health of a server and its services; it says NOT_SERVING until it is told otherwise. */
export class Health {
  /** The names that health is asked by: those of the services, and "" for the server. */
  readonly #names: readonly string[];
  readonly #health: HealthImplementation;

  constructor(services: readonly DescService[]) {
    this.#names = ["", ...services.map(({ typeName }) => typeName)];
    this.#health = new HealthImplementation(
      Object.fromEntries(this.#names.map((name) => [name, "NOT_SERVING" as const])),
    );
  }

  addTo(server: Server): void {
    this.#health.addToServer(server);
  }

  set(serving: boolean): void {
    for (const name of this.#names) {
      this.#health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    }
  }
}

type Package = ConstructorParameters<typeof ReflectionService>[0];

/** Adds server reflection, v1 and v1alpha, for services and for health. */
export function addReflection(server: Server, services: readonly DescService[]): void {
  const ours = withImports(services.map(({ file }) => file))
    .map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  // Reflection reads nothing of a package definition but the file descriptors.
  const described: Package = {
    wsdaemon: { format: "", type: {}, fileDescriptorProtos: ours } as unknown as Package[string],
    health: healthService["Check"]!.requestType as Package[string],
  };
  new ReflectionService(described).addToServer(server);
}

/** Returns files after all that they import, each once. */
function withImports(files: readonly DescFile[]): DescFile[] {
  const all = files.flatMap((file) => [...withImports(file.dependencies), file]);
  return [...new Set(all)];
}
