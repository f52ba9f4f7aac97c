/** Paths and bytes of the API's unary methods, in the form that grpc-js takes. */

import { Buffer } from "node:buffer";
import { type DescMessage, type DescMethod, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** Returns the HTTP/2 path that a method is called by: `/package.Service/Method`. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** Encodes a message as a Buffer, the type that grpc-js sends; the memory is not copied. */
export function encode<D extends DescMessage>(schema: D, message: MessageShape<D>): Buffer {
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
