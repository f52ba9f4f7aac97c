/**
 * What the server and the clients of the API share: the messages and the service of `proto/` as
 * generated code, the methods' paths, encoding, names of status codes, and
 * what metadata carries: warnings, and the details of a failure.
 */

export { encode, methodPath } from "./codec.ts";
export {
  DETAILS_KEY,
  detailsIn,
  encodeDetails,
  ERROR_DOMAIN,
  type ErrorDetails,
} from "./error_details.ts";
export * from "./gen/content-service-api/initializer_pb.ts";
export * from "./gen/daemon_pb.ts";
export * from "./gen/wsdaemon/operations/v1/operations_pb.ts";
export { codeName } from "./status_code.ts";
export { addWarning, WARNING_KEY, warningsIn } from "./warnings.ts";
