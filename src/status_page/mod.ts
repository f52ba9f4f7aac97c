/**
 * The status page: one HTML document that shows a node at a glance, failures first. It is rendered here,
 * works without JavaScript, loads nothing from anywhere, and says nothing of a workspace's content: no
 * names of files, and of a failure only its reason.
 */

export { statusPage } from "./page.ts";
export type { NodeView, WorkspaceLine } from "./view.ts";
