import { assertEquals } from "@std/assert";
import { got, suggest } from "../../src/config/problems.ts";

const KEYS = ["listen", "root", "insecure"];

Deno.test("a word that is nearly a key suggests that key, whatever its case", () => {
  assertEquals(suggest("listenn", KEYS), 'did you mean "listen"?');
  assertEquals(suggest("LISTEN", KEYS), 'did you mean "listen"?');
  assertEquals(suggest("rot", KEYS), 'did you mean "root"?');
});

Deno.test("a word that resembles no key suggests all of them", () => {
  assertEquals(suggest("zebra", KEYS), "expected one of listen, root, insecure");
  assertEquals(suggest("", KEYS), "expected one of listen, root, insecure");
});

Deno.test("a wrong value is repeated as JSON, lists and objects by name", () => {
  const merged = { git: { timeout: 600 }, listen: [1], storage: { kind: "gcs" }, root: "a\nb" };
  assertEquals(got(["git", "timeout"], merged), "got 600");
  assertEquals(got(["storage", "kind"], merged), 'got "gcs"');
  assertEquals(got(["root"], merged), String.raw`got "a\nb"`);
  assertEquals(got(["listen"], merged), "got an array");
  assertEquals(got(["git"], merged), "got an object");
  assertEquals(got(["git", "user"], merged), "but it is missing");
});

Deno.test("a secret is never repeated, nor a password in a URL", () => {
  const storage = { secretAccessKey: 5, accessKeyId: "AKIA", endpoint: "https://me:hush@host" };
  assertEquals(got(["storage", "secretAccessKey"], { storage }), "got a number");
  assertEquals(got(["storage", "accessKeyId"], { storage }), "got a string");
  assertEquals(got(["storage", "endpoint"], { storage }), 'got "https://***@host"');
});
