/**
 * Composes the daemon from its modules. A component that starts later needs those that started
 * earlier, and is stopped before them.
 */

import { readTlsMaterial } from "../certificates.ts";
import { Administration, newestImage } from "../admin/mod.ts";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/mod.ts";
import type { Content } from "../content/mod.ts";
import { messageOf, shuttingDown } from "../errors.ts";
import { type FoundGit, reportFoundGit } from "../git/mod.ts";
import { logger } from "../log/mod.ts";
import { OperationRegistry } from "../operations/mod.ts";
import { EgressProxy } from "../outbound/mod.ts";
import { formatAddress, parseAddress } from "../address.ts";
import { type RpcServer, startRpc } from "../rpc/mod.ts";
import { BaseCache } from "../snapshot/mod.ts";
import { journalPath } from "../state_schema.ts";
import { statusPage } from "../status_page/mod.ts";
import { keepsContent, type ObjectStore, openStore, storeFolder } from "../store/mod.ts";
import {
  measureEventLoopDelay,
  Metrics,
  type MetricsHttp,
  type MetricsHttpOptions,
  serveProcessMetrics,
  startMetricsHttp,
} from "../telemetry/mod.ts";
import { setTraceSource, SpanExporter, type SpanSink } from "../tracing/mod.ts";
import { recordsOf, type WorkspaceManager } from "../workspace/mod.ts";
import { CertificateWatch } from "./certificate_watch.ts";
import { createLayerCache } from "./create_layer_cache.ts";
import { createManager } from "./create_manager.ts";
import type { DaemonMetrics } from "./daemon_metrics.ts";
import { chooseQuotaDriver } from "./quota.ts";
import { DiskWatch } from "./disk_watch.ts";
import { LeftoverSweeper } from "./leftover_sweeper.ts";
import { networkOf } from "./network_options.ts";
import { nodeView } from "./node_view.ts";
import { readNode } from "./node_reader.ts";
import { openJournal } from "./open_journal.ts";
import { ImageAges } from "./image_ages.ts";
import { OperationMetrics } from "./operation_metrics.ts";
import { currentSpan, OperationSpans } from "./operation_spans.ts";
import { operationReporter } from "./operation_reporter.ts";
import { Readiness } from "./readiness.ts";
import { SlowOperations } from "./slow_operations.ts";
import { serviceStatus } from "./service_status.ts";
import { spoolOf } from "./spool_folder.ts";
import { StoreUpkeep } from "./store_upkeep.ts";
import type { ImageUser } from "./use_notes.ts";

const log = logger("daemon");

/** What the daemon is composed from. The caller keeps `content`. */
export interface ComposeOptions {
  config: Config;
  content: Content;
  git: FoundGit;
  /** Whether the process is root, and so can run Git as the content's owner. */
  privileged: boolean;
  /** The version of wsdaemon. */
  version: string;
  metrics: Metrics;
  daemonMetrics: DaemonMetrics;
  /** Called for each address once it serves, with what it serves where that is not everything. */
  onListening(address: string): void;
}

/** A daemon that serves. */
export interface RunningDaemon {
  /** Lets work finish for `graceMs` milliseconds, then cancels it. */
  stop(graceMs: number): Promise<void>;
  /** Reads the certificates again, and keeps the old ones where they cannot be used. */
  reload(): void;
  /** Returns in a line what it is doing. */
  status(): string;
}

/**
 * Starts everything that the config asks for, and serves.
 * @throws {DaemonError} where it cannot start; nothing is left running then
 */
export async function compose(options: ComposeOptions): Promise<RunningDaemon> {
  await using stack = new AsyncDisposableStack();
  const startedAt = systemClock.now();
  const { config, metrics, daemonMetrics } = options;
  const spans = traceTo(config.tracing.endpoint, options);
  if (spans) stack.use(spans).start();
  reportFoundGit(options.git);
  const volume = await chooseQuotaDriver(config.quota.driver, options.content, metrics);
  const store = await openConfiguredStore(config, metrics);
  stack.defer(() => store.close());
  const journal = stack.use(
    await openJournal(journalPath(config.root), options.content, recordsOf(config)),
  );
  const egressProxy = stack.use(new EgressProxy(config.net, networkOf(config.net)));
  const { content } = options;
  const bases = stack.use(
    new BaseCache({ ...config.cache, content, clock: systemClock, metrics, volume }),
  );
  await bases.start();
  const layers = stack.use(createLayerCache(config, { store, metrics, bases }));
  await layers.start();
  const operations = new OperationRegistry(systemClock);
  observeOperations(operations, metrics, spans, config.operations.slowAfter);
  const disks = watchDisks(config, metrics);
  const upkeep = stack.use(
    new StoreUpkeep({ config, store, clock: systemClock, operations, node: journal.nodeId() }),
  );
  const parts = { store, upkeep, bases, layers, journal, metrics, egressProxy, operations, disks };
  const workspaces = createManager(options, parts);
  stack.defer(() => workspaces.stop(0));
  const imageAges = stack.use(serveImageAges(config, { store, metrics, operations, workspaces }));
  await workspaces.start();
  imageAges.start();
  stack.use(serveNodeMetrics(metrics, workspaces, content));
  const tls = config.tls && readTlsMaterial(config.tls);
  const certificates = stack.use(new CertificateWatch(systemClock, daemonMetrics));
  const readiness = stack.use(
    new Readiness(store, systemClock, daemonMetrics, disks, () => workspaces.isDrained),
  );
  const node = { version: options.version, startedAt, store, readiness, disks, certificates };
  const administration = stack.use(
    new Administration({
      ...{ workspaces, operations, content, store, clock: systemClock },
      readNode: () => readNode(node),
    }),
  );
  await upkeep.start(administration, () => imageUsers(workspaces));
  const rpc = await startRpc({
    workspaces,
    administration,
    listen: config.listen.map(parseAddress),
    ...(config.operations.listen
      ? { operationsListen: config.operations.listen.map(parseAddress) }
      : {}),
    metrics,
    insecure: config.insecure,
    ...(spans ? { spans } : {}),
    readPeerCredentials: (fd) => options.content.peerCredentials(fd),
    unixSocket: accessOf(config.unixSocket),
    ...(tls ? { tls } : {}),
  });
  stack.defer(() => rpc.stop(0));
  if (tls) certificates.start(tls);
  readiness.start();
  stack.use(new LeftoverSweeper(store, systemClock, daemonMetrics)).start();
  const page = async () => statusPage(await nodeView({ administration, content }));
  const http = serveMetrics(config, { metrics, readiness, page });
  rpc.setServing(true);
  for (const address of rpc.addresses) options.onListening(formatAddress(address));
  for (const address of rpc.operationsAddresses) {
    options.onListening(`${formatAddress(address)} for operators' calls alone`);
  }
  const resources = stack.move();
  return {
    stop: (graceMs) => stop(graceMs, { workspaces, operations, rpc, http, readiness, resources }),
    reload: () => reload(config, rpc, certificates),
    status: () => serviceStatus(readiness.get(), operations),
  };
}

function accessOf({ mode, group }: Config["unixSocket"]) {
  return { mode: parseInt(mode, 8), gid: group === undefined ? undefined : Number(group) };
}

function reload({ tls }: Config, rpc: RpcServer, certificates: CertificateWatch): void {
  if (!tls) {
    return log.info("There are no certificates to read again; what is not of log takes a restart");
  }
  try {
    const material = readTlsMaterial(tls);
    rpc.replaceTls(material);
    certificates.uses(material);
    log.info("New connections are shown the certificate that is now in {path}", { path: tls.cert });
  } catch (error) {
    certificates.refuses(messageOf(error));
    log.error("The old certificates stay: {reason}", { reason: messageOf(error) });
  }
}

/** What a running daemon stops, in this order; `resources` are what is left. */
interface Components {
  workspaces: WorkspaceManager;
  operations: OperationRegistry;
  rpc: RpcServer;
  http: MetricsHttp | undefined;
  readiness: Readiness;
  resources: AsyncDisposableStack;
}

async function stop(graceMs: number, components: Components): Promise<void> {
  const { workspaces, operations, rpc, http, readiness, resources } = components;
  log.info("Stopping: running work has {seconds} s", { seconds: graceMs / 1000 });
  rpc.setServing(false);
  readiness.stop();
  operations.close(shuttingDown());
  // Both at once: the answer of a cancelled operation must still find its connection.
  await Promise.all([workspaces.stop(graceMs), rpc.stop(graceMs + ANSWER_TIME)]);
  await http?.stop();
  await resources.disposeAsync();
}

/** Milliseconds for the answers of cancelled operations to leave. */
const ANSWER_TIME = 2_000;

/** Returns what sends spans to a collector; `undefined` where none is configured. */
function traceTo(
  endpoint: string | undefined,
  { version, metrics }: ComposeOptions,
): SpanExporter | undefined {
  const spans = metrics.counter(
    "wsdaemon_trace_spans_total",
    "Spans of traces by outcome: sent to the collector or dropped",
    ["outcome"],
  );
  if (endpoint === undefined) return undefined;
  setTraceSource(currentSpan);
  return new SpanExporter({ endpoint, version, clock: systemClock, spans });
}

function observeOperations(
  operations: OperationRegistry,
  metrics: Metrics,
  spans: SpanSink | undefined,
  slowAfter: number,
): void {
  operations.observe(operationReporter);
  operations.observe(new SlowOperations({ clock: systemClock, operations, slowAfter }));
  operations.observe(new OperationMetrics(metrics, operations, systemClock));
  if (spans) operations.observe(new OperationSpans(spans));
}

/** Serves what is read at each scrape; disposing of it ends what is measured in between. */
function serveNodeMetrics(
  metrics: Metrics,
  workspaces: WorkspaceManager,
  content: Content,
): Disposable {
  metrics.observedGauge(
    "wsdaemon_orphans",
    "Folders among the workspaces that no workspace belongs to",
    () => workspaces.orphans,
  );
  metrics.observedGauge(
    "wsdaemon_node_drained",
    "Whether somebody has the node drained, so that it takes no new workspaces",
    () => workspaces.isDrained ? 1 : 0,
  );
  serveProcessMetrics(metrics, () => content.processUsage());
  return measureEventLoopDelay(metrics);
}

function serveImageAges(
  config: Config,
  { store, metrics, operations, workspaces }: {
    store: ObjectStore;
    metrics: Metrics;
    operations: OperationRegistry;
    workspaces: WorkspaceManager;
  },
): ImageAges {
  const ages = new ImageAges({
    clock: systemClock,
    workspaces: () => workspaces.all(),
    remoteStorage: keepsContent(config.storage),
    findNewest: async ({ identity }, signal) =>
      (await newestImage(store, identity, signal))?.createdAt,
  });
  ages.serve(metrics);
  operations.observe(ages);
  return ages;
}

/** Returns the workspaces of a node that were started from an image. */
function imageUsers(workspaces: WorkspaceManager): ImageUser[] {
  return workspaces.all().flatMap(({ id, base }) => base === undefined ? [] : [{ id, base }]);
}

function watchDisks({ root, storage, disk }: Config, metrics: Metrics): DiskWatch {
  const store = storeFolder(storage)?.path;
  const disks = new DiskWatch({ root, ...(store ? { store } : {}) }, disk, systemClock);
  disks.serve(metrics);
  return disks;
}

async function openConfiguredStore(config: Config, metrics: Metrics): Promise<ObjectStore> {
  if (!keepsContent(config.storage)) {
    log.warn("Remote storage is disabled: nothing is kept of a workspace that is disposed of");
  }
  return await openStore(config.storage, {
    spoolDir: spoolOf(config),
    clock: systemClock,
    metrics,
  });
}

/**
 * Serves metrics, health, readiness and the status page. An address that cannot be bound stops the start only where
 * `metrics.listen` was configured; the default is given up with a warning.
 */
function serveMetrics(
  config: Config,
  { metrics, readiness, page }: {
    metrics: Metrics;
    readiness: Readiness;
    page: NonNullable<MetricsHttpOptions["page"]>;
  },
): MetricsHttp | undefined {
  const { listen, required } = config.metrics;
  if (listen === undefined) return undefined;
  const address = parseAddress(listen);
  if (address.kind !== "tcp") return undefined;
  try {
    const http = startMetricsHttp({
      listen: { hostname: address.host, port: address.port },
      metrics,
      health: () => ({ ok: true, message: "ok" }),
      ready: () => readiness.get(),
      page,
    });
    log.info("Metrics are on {host}:{port}, with a status page at /", {
      host: http.address.hostname,
      port: http.address.port,
    });
    return http;
  } catch (error) {
    if (required) throw error;
    log.warn("No metrics are served: {reason}", { reason: messageOf(error) });
    return undefined;
  }
}
