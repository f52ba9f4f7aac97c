/** Serves the API from a Worker that may do no more than `rpcPermissions` says. */

import { formatAddress, parseAddress } from "../../src/address.ts";
import { startRpc } from "../../src/rpc/server.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { administration, workspaces } from "./fixture.ts";

declare const self: {
  onmessage: ((event: MessageEvent<string[]>) => void) | null;
  postMessage(message: unknown): void;
};

self.onmessage = async ({ data }) => {
  try {
    const rpc = await startRpc({
      administration: administration(),
      workspaces: workspaces({ exists: () => true }),
      listen: data.map(parseAddress),
      metrics: new Metrics(),
    });
    rpc.setServing(true);
    self.onmessage = async () => {
      await rpc.stop(0);
      self.postMessage("stopped");
    };
    self.postMessage(rpc.addresses.map(formatAddress));
  } catch (error) {
    self.postMessage(String(error));
  }
};
