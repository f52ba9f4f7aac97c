import { assert, assertEquals, assertRejects } from "@std/assert";
import { EtagCheck, isMd5 } from "../../src/store/s3/etag_check.ts";
import { AlteredUploadError } from "../../src/store/s3/s3_errors.ts";

const MD5 = "0123456789abcdef0123456789abcdef";
const OTHER_MD5 = "f".repeat(32);

/** A check whose probe answers `areMd5`, and the number of its probes. */
function checkOf(areMd5: boolean, known?: false) {
  const counter = { probes: 0 };
  const check = new EtagCheck(known, () => {
    counter.probes++;
    return Promise.resolve(areMd5);
  });
  return { check, counter };
}

Deno.test("an ETag is an MD5 with or without quotes, in either case", () => {
  assert(isMd5(`"${MD5}"`, MD5));
  assert(isMd5(MD5.toUpperCase(), MD5));
  for (const etag of [undefined, "", `"${OTHER_MD5}"`, `"${MD5}-2"`]) assert(!isMd5(etag, MD5));
});

Deno.test("an ETag that is the MD5 proves an upload without a probe", async () => {
  const { check, counter } = checkOf(false);
  assertEquals(await check.verify(`"${MD5}"`, MD5, {}), true);
  assertEquals(counter.probes, 0);
});

Deno.test("another MD5 as ETag is an altered upload only where the probe says that ETags are MD5s", async () => {
  const md5s = checkOf(true);
  await assertRejects(() => md5s.check.verify(`"${OTHER_MD5}"`, MD5, {}), AlteredUploadError);
  const others = checkOf(false);
  assertEquals(await others.check.verify(`"${OTHER_MD5}"`, MD5, {}), false);
  // What the probe found out is remembered.
  assertEquals(await others.check.verify(`"${OTHER_MD5}"`, MD5, {}), false);
  assertEquals(others.counter.probes, 1);
});

Deno.test("an ETag of another form, or none, proves nothing and needs no probe", async () => {
  const { check, counter } = checkOf(true);
  for (const etag of [undefined, "", `"${MD5}-2"`, `"${MD5}00"`, "W/1"]) {
    assertEquals(await check.verify(etag, MD5, {}), false, etag);
  }
  assertEquals(counter.probes, 0);
});

Deno.test("where encryption makes ETags something else, a strange ETag is no altered upload", async () => {
  const { check, counter } = checkOf(true, false);
  assertEquals(await check.verify(`"${OTHER_MD5}"`, MD5, {}), false);
  assertEquals(counter.probes, 0);
});
