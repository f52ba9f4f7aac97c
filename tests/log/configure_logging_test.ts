import { assert, assertEquals, assertMatch } from "@std/assert";
import { resetSync } from "@logtape/logtape";
import { configureLogging, setLogContext } from "../../src/log/configure_logging.ts";
import { logger } from "../../src/log/logger.ts";
import { isJournal } from "../../src/process/journal_stream.ts";
import { testFolder } from "../fixtures/folder.ts";

/** What a thread with these options writes. */
function written(
  options: Parameters<typeof configureLogging>[0],
  act: (log: ReturnType<typeof logger>) => void,
): string {
  let text = "";
  configureLogging(options, (more) => void (text += more));
  try {
    act(logger("test"));
    return text;
  } finally {
    setLogContext(() => ({}));
    resetSync();
  }
}

Deno.test("journald is given a priority at the start of every line", () => {
  for (const format of ["text", "json"] as const) {
    const text = written({ level: "debug", format, journal: true }, (log) => {
      log.debug("fine");
      log.info("begun");
      log.warn("odd");
      log.error("lost {error}", { error: new Error("why") });
      log.fatal("over");
    });
    const priorities = text.trimEnd().split("\n").map((line) => /^<(\d)>/.exec(line)?.[1]);
    // An error has its stack on lines of its own.
    assertEquals([...new Set(priorities)], ["7", "6", "4", "3", "2"], text);
  }
});

Deno.test("journald is what reads stderr only where systemd's device and inode are stderr's", () => {
  using folder = testFolder();
  const path = `${folder.path}/stderr`;
  Deno.writeTextFileSync(path, "");
  const { dev, ino } = Deno.statSync(path);
  assertEquals(isJournal(`${dev}:${ino}`, path), true);
  assertEquals(isJournal(`${dev}:${Number(ino) + 1}`, path), false);
  assertEquals(isJournal(`${dev}:${ino}`, `${folder.path}/gone`), false);
});

Deno.test("a record carries the operation that it is made for, once", () => {
  const act = (log: ReturnType<typeof logger>) => {
    setLogContext(() => ({ operation: "00ff" }));
    log.info("half done");
    log.info("{operation} is done", { operation: "00ff" });
  };
  const [half, done] = written({ level: "info", format: "text" }, act).trimEnd().split("\n");
  assertMatch(half!, /half done \[00ff\]$/);
  assertMatch(done!, /00ff is done$/);
  const [json] = written({ level: "info", format: "json" }, act).trimEnd().split("\n");
  assertEquals(JSON.parse(json!).properties, { operation: "00ff" });
});

Deno.test("a message has the same words whether a person or a machine reads it", () => {
  const act = (log: ReturnType<typeof logger>) =>
    log.info("{kind} of workspace {id} took {ms} ms: {why}", {
      kind: "backup",
      id: "w1",
      ms: 7,
      why: 'a "quote"',
    });
  const words = 'backup of workspace w1 took 7 ms: a "quote"';
  assertEquals(
    JSON.parse(written({ level: "info", format: "json" }, act)).message,
    words,
  );
  assert(written({ level: "info", format: "text" }, act).trimEnd().endsWith(words));
});

Deno.test("a record that names many is one line", () => {
  const paths = Array.from({ length: 120 }, (_, n) => `some/folder/that is long/\n${n}`);
  const act = (log: ReturnType<typeof logger>) => log.warn("Left out: {paths}", { paths });
  const text = written({ level: "info", format: "text" }, act);
  assertEquals(text.indexOf("\n"), text.length - 1);
  assert(text.includes('"some/folder/that is long/\\n119" ]'), text);
});
