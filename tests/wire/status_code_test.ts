import { assertEquals } from "@std/assert";
import { status } from "@grpc/grpc-js";
import { codeName } from "../../src/wire/mod.ts";

Deno.test("a status code has gRPC's name, and its number where gRPC has none", () => {
  assertEquals(codeName(status.OK), "OK");
  assertEquals(codeName(5), "NOT_FOUND");
  assertEquals(codeName(16), "UNAUTHENTICATED");
  assertEquals(codeName(17), "17");
  assertEquals(codeName(-1), "-1");
});
