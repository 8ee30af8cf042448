/** Prometheus metrics. Labels are route groups, statuses and grants, never anything a caller wrote. */
import type { Middleware } from 'koa';
import {
  AggregatorRegistry,
  Counter,
  type CounterConfiguration,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client';
import { PATHS } from '../provider/paths.ts';
import type { Answered } from './access-log.ts';
import { OPERATIONS } from './paths.ts';

/** What one process has counted, so that it can be sent to another. */
export type Counts = readonly MetricObjectWithValues<MetricValue<string>>[];

/** Where several processes serve together: how their counts come together. */
export interface Workers {
  /** Is given the function that counts in this process. */
  countWhenAsked(count: () => Promise<Counts>): void;
  collectFromAll(own: () => Promise<Counts>): Promise<readonly Counts[]>;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Paths that are counted by themselves. */
const COUNTED = new Set<string>([...Object.values(PATHS), ...Object.values(OPERATIONS)]);
/** First segments that are counted as one. */
const GROUPS = new Set(['oauth', 'interaction', 'account', 'device', 'admin', 'portal', 'assets']);
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Upper bounds in seconds. */
const DURATIONS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

function routeOf(path: string): string {
  if (COUNTED.has(path)) return path;
  const [, group = ''] = path.split('/', 2);
  return GROUPS.has(group) ? `/${group}/*` : 'other';
}

interface MetricsDeps {
  /** Length of the queue of password hashes. */
  readonly hashesWaiting: () => number;
  /** Where several processes serve together: what all of them have counted. */
  readonly collect?: Workers['collectFromAll'] | undefined;
}

/**
 * A counter that counts here and is told when asked: the library's own counting costs as much as all else that the shell
 * does.
 * @returns counts one, by the values of the labels with blanks between them
 */
function createTally(options: CounterConfiguration<string>): (values: string) => void {
  const counts = new Map<string, number>();
  const { labelNames = [] } = options;
  new Counter({
    ...options,
    collect() {
      this.reset();
      for (const [key, count] of counts) {
        const values = key.split(' ');
        this.inc(Object.fromEntries(labelNames.map((name, at) => [name, values[at] ?? ''])), count);
      }
    },
  });
  return (values) => void counts.set(values, (counts.get(values) ?? 0) + 1);
}

export function createMetrics({ hashesWaiting, collect }: MetricsDeps) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const answered = createTally({
    name: 'grantable_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const tokens = createTally({
    name: 'grantable_tokens_issued_total',
    help: 'Answers with an access token.',
    labelNames: ['grant'],
    registers,
  });
  const durations = new Histogram({
    name: 'grantable_http_request_duration_seconds',
    help: 'How long requests took to answer.',
    labelNames: ['route'] as const,
    buckets: DURATIONS,
    registers,
  });
  const byRoute = new Map<string, ReturnType<typeof durations.labels>>();
  const durationsOf = (route: string): ReturnType<typeof durations.labels> => {
    const known = byRoute.get(route) ?? durations.labels({ route });
    byRoute.set(route, known);
    return known;
  };
  new Gauge({
    name: 'grantable_password_hashes_waiting',
    help: 'Password hashes in the queue.',
    registers,
    collect() {
      this.set(hashesWaiting());
    },
  });

  /** Of this process. */
  const count = (): Promise<Counts> => registry.getMetricsAsJSON();

  /** The text format of Prometheus: of this process, or of all that serve together. */
  async function text(): Promise<string> {
    if (!collect) return registry.metrics();
    const all = await collect(count);
    const together = AggregatorRegistry.aggregate(all as object[]);
    const workers = new Gauge({
      name: 'grantable_workers',
      help: 'Processes whose counts these are.',
      registers: [together],
    });
    workers.set(all.length);
    return together.metrics();
  }

  const middleware: Middleware = async function metrics(ctx, next) {
    const { path } = ctx;
    await next();
    const { status, method, state } = ctx;
    countAnswered({ method, path, status, state });
  };

  /** Counts a request; and a token, if one was given out under the grant in `state.issuedGrant`. */
  function countAnswered({ method, path, status, state }: Answered): void {
    const route = routeOf(path);
    answered(`${route} ${METHODS.has(method) ? method : 'other'} ${status}`);
    durationsOf(route).observe((performance.now() - state.started) / 1000);
    const { issuedGrant } = state;
    if (issuedGrant !== undefined && status === 200) tokens(issuedGrant);
  }

  return { middleware, countAnswered, contentType: registry.contentType, text, count };
}
