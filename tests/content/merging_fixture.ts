/** Image fixtures that do something between what the parts of a pack do and the merge. */

import { type TestFolder, testFolder } from "../fixtures/folder.ts";
import { relay } from "../fixtures/relay.ts";
import { ImageFixture } from "./image_fixture.ts";

/** Returns a fixture, and what is called before each merge. */
export function mergingFixture(folder: TestFolder = testFolder()) {
  const hook: { beforeMerge: () => void } = { beforeMerge: () => {} };
  const wrap = (port: MessagePort) => {
    const between = relay(port);
    between.onRequest = ({ operation }, pass) => {
      if (operation === "packFinish") hook.beforeMerge();
      pass();
    };
    return between.port;
  };
  return { fixture: new ImageFixture(2, folder, [], wrap), hook };
}
