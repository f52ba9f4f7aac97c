/**
 * Names of trees in staging and in the trash: `<group>~<UUID>`, where the group is the id of the
 * workspace that the tree was made for or belonged to, so that a restart knows whose trees are still
 * being deleted. No id has a `~`. Trees that are nobody's, and those of versions up to 0.1, have a
 * UUID alone, which is their group then. Nobody can guess a UUID.
 */

const SEPARATOR = "~";
const ANY_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const UUID = new RegExp(`^${ANY_UUID.source}$`);

/** A fresh name in a group, or for a tree that is nobody's. */
export function newTreeName(group?: string): string {
  const unique = crypto.randomUUID();
  return group === undefined ? unique : `${group}${SEPARATOR}${unique}`;
}

/** The group that a tree's name tells. */
export function groupOf(name: string): string {
  const at = name.lastIndexOf(SEPARATOR);
  return at < 0 ? name : name.slice(0, at);
}

/** Whether the group is a tree's own name and says nothing about a workspace. */
export function isAnonymous(name: string): boolean {
  return UUID.test(name);
}

/** Whether the name has the form of ours; anything else was put there by somebody else. */
export function isTreeName(name: string): boolean {
  const at = name.lastIndexOf(SEPARATOR);
  return UUID.test(name.slice(at + 1)) && at !== 0;
}

/** Whether the name is one that the daemon gives to temporary files, which all have a UUID in it. */
export function isTemporaryName(name: string): boolean {
  return ANY_UUID.test(name);
}
