import { startS3 } from "../fixtures/s3rver.ts";
import { testConformance } from "./conformance.ts";
import { openS3Bench } from "./s3_bench.ts";

const server = await startS3();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

testConformance("S3", () => openS3Bench(server));
