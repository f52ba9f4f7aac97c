import { shuttingDown } from "../errors.ts";
import {
  findImage,
  type ForgetPolicy,
  type FoundImage,
  type ImagePage,
  listImages,
  sizesOfImage,
} from "../inspect/mod.ts";
import type { Operation, OperationRegistry } from "../operations/mod.ts";
import type { WorkspaceInfo, WorkspaceManager } from "../workspace/mod.ts";
import {
  beginCollection,
  beginVerification,
  type CollectionRequest,
  type MaintenanceOptions,
  type VerificationRequest,
} from "./maintenance.ts";
import type { NodeInfo } from "./node_info.ts";
import { forgetByPolicy } from "./retention.ts";
import { type SnapshotStatus, snapshotStatus } from "./snapshot_status.ts";
import { forgetImages, forgetImagesOf, forgetOwner, type RemovedImages } from "./stored_images.ts";
import { viewsOf, type WorkspaceView } from "./workspace_view.ts";

/** What an {@link Administration} uses. */
export interface AdministrationOptions extends Omit<MaintenanceOptions, "stop"> {
  workspaces: Pick<WorkspaceManager, "all" | "drain" | "get" | "isPending" | "undrain">;
  /** Reads the state of the node itself. */
  readNode: () => Promise<NodeInfo>;
}

/** What operators see of a node and do to it. */
export class Administration implements AsyncDisposable {
  readonly #options: AdministrationOptions;
  readonly #stop = new AbortController();

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /** What runs on this node, and what has run last. */
  get operations(): OperationRegistry {
    return this.#options.operations;
  }

  /** Returns the node itself, at this moment. */
  async node(): Promise<NodeInfo> {
    return await this.#options.readNode();
  }

  /** Returns the workspaces of this node, sorted by id. */
  workspaces(): WorkspaceInfo[] {
    return this.#options.workspaces.all().sort((a, b) => a.id < b.id ? -1 : 1);
  }

  /** Returns some workspaces with what they take and their last image, in their order. */
  async views(infos: readonly WorkspaceInfo[], signal: AbortSignal): Promise<WorkspaceView[]> {
    return await viewsOf(infos, this.#options, { signal });
  }

  /**
   * Returns one workspace in the same way.
   * @param measure whether to look at every file where the file system does not count them
   * @throws {DaemonError} NOT_FOUND
   */
  async view(
    id: string,
    options: { measure: boolean; signal: AbortSignal },
  ): Promise<WorkspaceView> {
    const info = this.#options.workspaces.get(id);
    return (await viewsOf([info], this.#options, options))[0]!;
  }

  /** Returns what became of a snapshot. @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND */
  async snapshot(url: string, signal: AbortSignal): Promise<SnapshotStatus> {
    const { workspaces } = this.#options;
    const isPending = (one: string) => workspaces.isPending(one);
    return await snapshotStatus(url, { ...this.#options, isPending }, signal);
  }

  /** Lists images of the store; see `listImages`. */
  async images(
    filter: { owner?: string; metaId?: string },
    page: { size: number; after: string },
    signal: AbortSignal,
  ): Promise<ImagePage> {
    return await listImages(this.#options.store, filter, page, signal);
  }

  /**
   * Returns an image with what it takes.
   * @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND, DATA_LOSS
   */
  async image(
    url: string,
    signal: AbortSignal,
  ): Promise<{ image: FoundImage; layers: number; storedBytes: number }> {
    const { store } = this.#options;
    const image = await findImage(store, url, signal);
    return { image, ...await sizesOfImage(store, image, signal) };
  }

  /** Forgets images by their urls; what cannot be forgotten is told, and stops no other. */
  async deleteImages(urls: readonly string[], signal: AbortSignal): Promise<RemovedImages> {
    return await forgetImages(urls, { ...this.#options, signal });
  }

  /** Forgets all images of an identity, in the same way. */
  async deleteImagesOf(
    identity: { owner: string; metaId: string },
    signal: AbortSignal,
  ): Promise<RemovedImages> {
    return await forgetImagesOf(identity, { ...this.#options, signal });
  }

  /**
   * Forgets everything that the store has of an owner.
   * @throws {DaemonError} FAILED_PRECONDITION while this node has workspaces of the owner
   */
  async deleteOwner(owner: string, signal: AbortSignal): Promise<{ images: number; logs: number }> {
    const workspaces = this.workspaces();
    return await forgetOwner(owner, { ...this.#options, workspaces, signal });
  }

  /** Begins to delete what no image needs. @returns the operation, which tells how it ends */
  async collect(request: CollectionRequest): Promise<Operation> {
    return await beginCollection(request, { ...this.#options, stop: this.#stop.signal });
  }

  /** Forgets what a policy does not keep; see `forgetByPolicy`. */
  async forget(policy: ForgetPolicy): Promise<void> {
    await forgetByPolicy(policy, { ...this.#options, stop: this.#stop.signal });
  }

  /** Begins to check the digests of images. @returns the operation, which tells how it ends */
  async verify(request: VerificationRequest): Promise<Operation> {
    return await beginVerification(request, { ...this.#options, stop: this.#stop.signal });
  }

  /**
   * Refuses new workspaces and begins to back every workspace up; see `WorkspaceManager.drain`.
   * @returns the operation, which tells how it ends
   */
  async drain(): Promise<Operation> {
    return await this.#options.workspaces.drain();
  }

  /** Takes new workspaces again. @returns whether the node was drained */
  undrain(): boolean {
    return this.#options.workspaces.undrain();
  }

  /** Ends the collections and verifications that run, and waits until they have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(shuttingDown());
    const own = this.operations.running().filter(({ kind }) =>
      kind === "collection" || kind === "verification"
    );
    await Promise.all(own.map(({ ended }) => ended));
  }
}
