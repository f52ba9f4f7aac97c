/** The five places in which an operator looks, and what a trial expects to see there. */

/** Where an operator looks. */
export const PLACES = ["page", "top", "log", "metric", "alert"] as const;

/** One of {@link PLACES}. */
export type Place = typeof PLACES[number];

/** A record of the log that is expected. */
export interface ExpectedRecord {
  level: "INFO" | "WARN" | "ERROR";
  /** All of them are in its message, or among the values of its properties. */
  words: readonly string[];
}

/** An alert that is expected to fire. */
export interface ExpectedAlert {
  name: string;
  /** All of them are in its labels and annotations. */
  words: readonly string[];
}

/** What each place has to say of one trouble. Ids are among the words. */
export interface Expectation {
  /** What the trouble is, for the table. */
  trouble: string;
  /** What names it: an operation's id, or the part of the node that it concerns. */
  id: string;
  /** What an element of the page's rows or facts says, all of them in one. */
  page: readonly string[];
  /** What a line of `wsdaemon top` says, all of them in one. */
  top: readonly string[];
  /** The command besides `top` that says the same in a line. */
  also: "ops" | "status";
  log: ExpectedRecord;
  /** A line of `/metrics`. */
  metric: RegExp;
  alert: ExpectedAlert;
  /** Words of "At 3 a.m." in `docs/operations.md`, all in one row: what to do. */
  remedy: readonly string[];
}

/** Whether a place, or the documents, said what was expected; where not, what was there instead. */
export interface Finding {
  ok: boolean;
  said: string;
}

/** What was seen of one trouble. */
export interface Row {
  expectation: Expectation;
  seen: Readonly<Record<Place | "docs", Finding>>;
}

/** Returns whether all words are in a text. */
export function hasAll(text: string, words: readonly string[]): boolean {
  return words.every((word) => text.includes(word));
}

/** Returns the first line in which all words are. */
export function lineWith(text: string, words: readonly string[]): string | undefined {
  return text.split("\n").find((line) => hasAll(line, words));
}

/** Returns the text of a page: a line a row of a table, a term or a heading. */
export function textOfPage(html: string): string {
  return html
    .replaceAll(/<style>[^]*?<\/style>|<script>[^]*?<\/script>|<svg[^]*?<\/svg>/g, "")
    .replaceAll(/<progress[^>]*value="(\d+)" max="(\d+)"[^>]*>/g, " $1/$2 ")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/<\/(?:tr|dl|div|h\d|p|title)>/g, "\n")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/[^\S\n]+/g, " ")
    .replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
