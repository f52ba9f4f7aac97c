/**
 * Names trees in staging and in the trash: `<group>~<UUID>`, where the group is the id of the
 * workspace that the tree was made for or belonged to, so that a restart knows whose trees are
 * still being deleted. No id has a `~`. Trees without a workspace, and those of versions up to 0.1,
 * are named by a UUID alone, which is also their group. Nobody can guess a UUID.
 */

const SEPARATOR = "~";
const ANY_UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const UUID = new RegExp(`^${ANY_UUID.source}$`);

/** Returns a fresh name in a group, or for a tree without a workspace. */
export function newTreeName(group?: string): string {
  const unique = crypto.randomUUID();
  return group === undefined ? unique : `${group}${SEPARATOR}${unique}`;
}

/** Returns the group of a tree by its name: a workspace's id, or the name itself. */
export function groupOf(name: string): string {
  const at = name.lastIndexOf(SEPARATOR);
  return at < 0 ? name : name.slice(0, at);
}

/** Returns whether a group is a tree's own name, so that the tree belongs to no workspace. */
export function isAnonymous(name: string): boolean {
  return UUID.test(name);
}

/** Returns whether a name has the form that wsdaemon gives to trees; it did not make any others. */
export function isTreeName(name: string): boolean {
  const at = name.lastIndexOf(SEPARATOR);
  return UUID.test(name.slice(at + 1)) && at !== 0;
}

/**
 * Returns whether a name has the form of the daemon's temporary files, which all contain a UUID.
 */
export function isTemporaryName(name: string): boolean {
  return ANY_UUID.test(name);
}
