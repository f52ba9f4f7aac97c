import { assert, assertEquals } from "@std/assert";
import { existsSync } from "@std/fs";
import { REFUSED_CALLS } from "../../src/linux/confinement/seccomp.ts";
import { CALLS } from "../../src/linux/constants.ts";

/** Where Debian's linux-libc-dev has the numbers; aarch64 has those that are not of one processor alone. */
const HEADERS = {
  x86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  aarch64: "/usr/include/asm-generic/unistd.h",
} as const;

/** Returns the numbers of system calls, by name. */
function numbersIn(header: string): Map<string, number> {
  const lines = Deno.readTextFileSync(header).matchAll(/^#define __NR_(\w+)\s+(\d+)$/gm);
  return new Map([...lines].map(([, name, number]) => [name!, Number(number)]));
}

Object.entries(HEADERS).forEach(([arch, header], column) => {
  const ignore = !existsSync(header);
  Deno.test({
    name: `system calls have the kernel's numbers on ${arch}` +
      (ignore ? ` (ignored: no ${header})` : ""),
    ignore,
    fn: () => {
      const numbers = numbersIn(header);
      assert(numbers.size > 250);
      const newest = Math.max(...numbers.values());
      for (const [name, both] of Object.entries({ ...REFUSED_CALLS, ...CALLS })) {
        const ours = both[column];
        // Headers of an older kernel lack calls, which have the numbers after theirs.
        if (ours !== undefined && ours > newest) assert(!numbers.has(name), name);
        else assertEquals(ours, numbers.get(name) ?? -1, name);
      }
    },
  });
});
