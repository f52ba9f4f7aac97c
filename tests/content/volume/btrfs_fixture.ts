/** Images of trees on a btrfs of their own. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { mountBtrfs, subvolumePaths } from "../../fixtures/btrfs.ts";
import { makeTree, type TreeTable } from "../../fixtures/tree.ts";
import { ME } from "../fixture.ts";
import { ImageFixture } from "../image_fixture.ts";

/** Content Workers whose areas are on a btrfs, which is gone with the fixture. */
export class BtrfsFixture extends ImageFixture {
  constructor(readonly mount = mountBtrfs()) {
    super(2, mount);
  }

  /** Makes a published tree as the daemon does. @returns its folder */
  async make(id: string, table: TreeTable = []): Promise<string> {
    assertEquals((await this.content.chooseVolume("auto")).kind, "btrfs");
    const tree = await this.content.create(ME, id);
    await this.content.publish(tree, id);
    const path = join(this.areas.workspaces, id);
    await makeTree(path, table);
    return path;
  }

  subvolumes(): string[] {
    return subvolumePaths(this.mount.path);
  }
}
