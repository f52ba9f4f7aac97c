/** HTML in which nothing that is put in can be anything but text. */

/** A piece of HTML that was made by {@link markup}. */
export class Html {
  constructor(readonly text: string) {}
}

/** What can be put into HTML: text and numbers, which are escaped; HTML; several of them; nothing. */
export type Insertable = string | number | Html | readonly Insertable[] | undefined;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * A template of HTML. Values stand in elements and in quoted attributes, and nowhere else. It is not
 * called html, since `deno fmt` would change the white space of those.
 */
export function markup(strings: TemplateStringsArray, ...values: Insertable[]): Html {
  return new Html(strings.reduce((all, text, n) => `${all}${textOf(values[n - 1])}${text}`));
}

function textOf(value: Insertable): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(textOf).join("");
  // Control characters and what turns the direction of a line are no text, either.
  return String(value).toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, "\ufffd")
    .replaceAll(/[&<>"']/g, (character) => ESCAPES[character]!);
}
