/**
 * The tables `grantable.ended` and `grantable.feed` of a guarded database, which the function `is_ended` reads. Several
 * processes may write: a step goes from the cursor that is stored to the next one, and one from another cursor is not taken.
 */
import type { Client } from 'pg';
import { isSameResource } from '../permissions/resource-identifiers.ts';
import type { FeedNode, FeedOptions } from '../resource-server/revocation-feed.ts';
import { DatabaseFailed } from './connect.ts';

/** Identifiers of the authorization server and of the resource. */
export type FeedSource = Pick<FeedOptions, 'issuer' | 'resource'>;

export interface FeedStep {
  /** As `readCursor` gave it. */
  readonly from: string | undefined;
  readonly to: string;
  readonly nodes: readonly FeedNode[];
  /** The nodes are all that there are. */
  readonly replaces: boolean;
  /** Undefined: more follows at once. */
  readonly heard?: {
    /** Of `performance.now()`. */
    readonly at: number;
    /** Seconds. */
    readonly maxSilence: number;
  };
}

/** Rows of one statement. */
const BATCH = 5_000;

/** The lock is for processes that write; readers never wait. */
const BEGIN = `begin;
  set local statement_timeout = '10s';
  set local idle_in_transaction_session_timeout = '10s';
  select pg_advisory_xact_lock(hashtextextended('grantable.feed', 0))`;

const UPSERT = `insert into grantable.ended (node, revoked_at, restored_at, narrowed_at, exp)
  select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
  on conflict (node) do update set
    (revoked_at, restored_at, narrowed_at, exp) =
    (excluded.revoked_at, excluded.restored_at, excluded.narrowed_at, excluded.exp)`;

const REMOVE_EXPIRED = `delete from grantable.ended where node in (
    select node from grantable.ended where exp <= extract(epoch from clock_timestamp()) limit ${BATCH}
  )`;

const HEARD = `insert into grantable.feed (issuer, resource, cursor, max_silence, heard_at)
  select guarded ->> 'issuer', guarded ->> 'resource', $1, $2, clock_timestamp() - make_interval(secs => $3)
  from grantable.guarded() as guarded
  on conflict (is_only) do update set
    (issuer, resource, cursor, max_silence, heard_at) =
    (excluded.issuer, excluded.resource, excluded.cursor, excluded.max_silence, excluded.heard_at)`;

const STATE = `select guarded ->> 'issuer' as issuer, guarded ->> 'resource' as resource, cursor
  from grantable.guarded() as guarded left join grantable.feed
    on feed.issuer = guarded ->> 'issuer' and feed.resource = guarded ->> 'resource'`;

/**
 * @returns the cursor up to which all is in the database; undefined: it is not followed yet
 * @throws DatabaseFailed if it guards another resource
 */
export async function readCursor(
  database: Client,
  { issuer, resource }: FeedSource,
): Promise<string | undefined> {
  const { rows } = await database.query<{ issuer: string; resource: string; cursor: string | null }>(STATE);
  const [guarded] = rows;
  if (guarded?.issuer !== issuer || !isSameResource(guarded.resource, resource)) {
    throw new DatabaseFailed(
      `The database guards ${guarded?.resource} of ${guarded?.issuer}: follow that with --issuer and --resource.`,
    );
  }
  return guarded.cursor ?? undefined;
}

/**
 * @returns the cursor that is stored afterwards: that of the step, or of a process that was faster
 * @throws what the database throws; the connection is then of no use
 */
export async function takeStep(
  database: Client,
  source: FeedSource,
  step: FeedStep,
): Promise<string | undefined> {
  await database.query(BEGIN);
  const stored = await readCursor(database, source);
  if (stored === step.from) await write(database, step);
  await database.query('commit');
  return stored === step.from ? step.to : stored;
}

async function write(database: Client, { to, nodes, replaces, heard }: FeedStep): Promise<void> {
  if (replaces) await database.query('delete from grantable.ended');
  for (let start = 0; start < nodes.length; start += BATCH) {
    const batch = nodes.slice(start, start + BATCH);
    const columns = ['id', 'revoked_at', 'restored_at', 'narrowed_at', 'exp'] as const;
    await database.query(
      UPSERT,
      columns.map((column) => batch.map((node) => node[column])),
    );
  }
  await database.query(REMOVE_EXPIRED);
  if (heard) {
    const secondsAgo = (performance.now() - heard.at) / 1000;
    await database.query(HEARD, [to, heard.maxSilence, secondsAgo]);
  } else await database.query('update grantable.feed set cursor = $1', [to]);
}

/**
 * Afterwards the database accepts tokens without asking whether they ended.
 * @returns seconds since the feed was heard; undefined: it was not followed
 */
export async function stopChecking(database: Client): Promise<number | undefined> {
  await database.query(BEGIN);
  const { rows } = await database.query<{ seconds: number }>(
    'delete from grantable.feed returning extract(epoch from clock_timestamp() - heard_at)::float8 as seconds',
  );
  await database.query('delete from grantable.ended');
  await database.query('commit');
  return rows[0]?.seconds;
}
