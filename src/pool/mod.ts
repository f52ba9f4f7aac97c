/**
 * Pools: a btrfs in a sparse file, for nodes whose disk has another file system. Commands make one, have
 * systemd mount it at the daemon's root, and enlarge it; the daemon itself never mounts anything.
 */

export { planCreation } from "./create_pool.ts";
export { planGrowth } from "./grow_pool.ts";
export type { LoopDevice } from "./loop_device.ts";
export type { Plan, Step } from "./plan.ts";
export { mountCommand } from "./pool_mount.ts";
export { type Pool, type PoolStatus, poolStatus } from "./pool_status.ts";
export type { Superblock } from "./superblock.ts";
export { imageOfUnit, type PoolPlace, UNITS } from "./units.ts";
