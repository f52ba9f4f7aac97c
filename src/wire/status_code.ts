/** Names of gRPC's status codes. */

import { status as codes } from "@grpc/grpc-js";

/** Returns the name of a status code, such as "NOT_FOUND"; the number for one that gRPC lacks. */
export function codeName(code: number): string {
  return codes[code] ?? String(code);
}
