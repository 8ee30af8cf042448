/** The audit log: of the whole server, and of one organization. */
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { inAudit } from '../../changes/author.ts';
import { NotFound } from '../../errors/domain.ts';
import type { AuditFilter, AuditRecord, DirectoryStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import { CSV, NDJSON, toCsvLines, toNdjsonLines } from '../audit-export.ts';
import { MOST_COUNTED } from '../living.ts';
import type { Actor } from '../rights/actor.ts';
import type { OperationDeps } from './deps.ts';
import { createNames } from './nouns/to-object.ts';
import { type Call, defineOperation, type Where } from './operation.ts';
import { counted, moment, pageOf, pageQuery, toMoment } from './shapes.ts';
import { findVisible, toldBy, visibleParts } from './visible-pages.ts';

const ENTRY_ID = /^[\w.-]{1,128}$/;
const PAGE = 100;
/** That are read to count what an actor with limits may read. */
const MOST_PAGES_COUNTED = 100;

export const entry = z.strictObject({
  id: z.string(),
  at: moment,
  event: z.string().describe('Such as `user.changed`.'),
  outcome: z.enum(['allowed', 'denied', 'changed']),
  reason: z.string().exactOptional(),
  actor: z.string().exactOptional().describe('Who did it.'),
  subject: z.string().exactOptional().describe('The id or subject of what it was done to.'),
  client: z.string().exactOptional().describe('The client id of the application.'),
  organization: z.string().exactOptional().describe('Name; the id of one that is gone.'),
  address: z.string().exactOptional(),
  requestId: z.string().exactOptional(),
  details: z.record(z.string(), z.unknown()).exactOptional().describe('Never a secret.'),
});

type Entry = z.input<typeof entry>;

/** Members that the actor may not read are left out. */
const shown = entry.partial().required({ id: true });

type Shown = z.input<typeof shown>;

const text = (what: string) => z.string().min(1).max(300).exactOptional().describe(what);

const filters = {
  actor: text('Who did it.'),
  target: text('The id or subject of what it was done to.'),
  event: text('A name, or its beginning up to a dot and with it: `user.`'),
  outcome: entry.shape.outcome.exactOptional(),
  since: z.iso.datetime({ offset: true }).exactOptional().describe('Entries from then on.'),
  until: z.iso.datetime({ offset: true }).exactOptional().describe('Entries before then.'),
};

const filterQuery = z.strictObject(filters);
const listQuery = z.strictObject({ ...pageQuery, ...filters });

type Filters = z.output<typeof filterQuery>;

type Scope = 'server' | 'organization';

type AnyCall<Query> = Where & Pick<Call<string, Query>, 'query'>;

function toFilter(scope: Scope, { organization, query }: AnyCall<Filters>): AuditFilter {
  const { actor, target, event, outcome, since, until } = query;
  return defined({
    organization: scope === 'organization' ? organization.id : undefined,
    actor,
    subject: target,
    event,
    outcome,
    since: since === undefined ? undefined : Date.parse(since),
    until: until === undefined ? undefined : Date.parse(until),
  });
}

/** Of one request: each organization is read once. */
function createToEntry(store: DirectoryStore) {
  const names = createNames(store, ['organizations']);
  return async ({ cursor, at, organization, ...rest }: AuditRecord): Promise<Entry> =>
    defined({
      id: cursor,
      at: toMoment(at),
      ...rest,
      organization: organization && ((await names.find(organization)) ?? organization),
    });
}

/** The columns that tell what a filter asks. */
const TOLD_BY = {
  actor: ['actor'],
  target: ['subject'],
  event: ['event'],
  outcome: ['outcome'],
  since: ['at'],
  until: ['at'],
} as const satisfies Readonly<Record<keyof typeof filters, readonly string[]>>;

const visibleOf = (actor: Actor, entries: readonly Entry[], query: Filters = {}): Shown[] =>
  visibleParts(actor, 'audit', entries, toldBy(TOLD_BY, query));

const hasNoLimits = ({ permissions }: Actor): boolean => permissions.allows('audit', 'read');

/** What the actor may read of each page, newest first; of a page that may be nothing. */
async function* eachPage(scope: Scope, call: AnyCall<Filters>, deps: OperationDeps): AsyncGenerator<Shown[]> {
  const toEntry = createToEntry(deps.store);
  const filter = toFilter(scope, call);
  let before: string | undefined;
  do {
    const page = await deps.audit.page(defined({ ...filter, limit: PAGE, before }));
    yield visibleOf(call.actor, await Promise.all(page.entries.map(toEntry)), call.query);
    before = page.next;
    // Where the actor may read nothing, nothing else would let other requests in between.
    await setImmediate();
  } while (before !== undefined);
}

async function* eachEntry(scope: Scope, call: AnyCall<Filters>, deps: OperationDeps): AsyncGenerator<Shown> {
  for await (const page of eachPage(scope, call, deps)) yield* page;
}

async function list(scope: Scope, call: AnyCall<z.output<typeof listQuery>>, deps: OperationDeps) {
  const toEntry = createToEntry(deps.store);
  const filter = toFilter(scope, call);
  const body = await findVisible(
    call.query,
    async ({ after, limit }) => {
      const { entries: items, next } = await deps.audit.page(defined({ ...filter, limit, before: after }));
      return defined({ items, next });
    },
    async (records) => visibleOf(call.actor, await Promise.all(records.map(toEntry)), call.query),
  );
  return { body };
}

async function get(scope: Scope, call: Where & Pick<Call, 'parameters'>, deps: OperationDeps) {
  const found = await deps.audit.find(call.parameters.entry as string);
  const isThere = found && (scope === 'server' || found.organization === call.organization.id);
  const [body] = isThere ? visibleOf(call.actor, [await createToEntry(deps.store)(found)]) : [];
  if (!body) throw new NotFound();
  return { body };
}

/** A count tells of rows, so it counts those that the actor may read. */
async function count(scope: Scope, call: AnyCall<Filters>, deps: OperationDeps) {
  if (hasNoLimits(call.actor)) {
    const { count, isMore } = await deps.audit.count(toFilter(scope, call), MOST_COUNTED);
    return { body: { count, isMore } };
  }
  let seen = 0;
  let pages = 0;
  for await (const page of eachPage(scope, call, deps)) {
    seen += page.length;
    pages += 1;
    if (seen > MOST_COUNTED || pages > MOST_PAGES_COUNTED) {
      return { body: { count: Math.min(seen, MOST_COUNTED), isMore: true } };
    }
  }
  return { body: { count: seen, isMore: false } };
}

/** The log says who took it away. */
async function exportAll(scope: Scope, call: AnyCall<Filters>, deps: OperationDeps) {
  const { actor, organization, query } = call;
  await deps.audit.append({
    at: deps.now(),
    event: 'audit.exported',
    outcome: 'allowed',
    ...inAudit(actor.author),
    ...defined({ organization: scope === 'organization' ? organization.id : undefined }),
    details: { ...query },
  });
  return {
    lines: (media: string) => {
      const entries = eachEntry(scope, call, deps);
      return media === CSV ? toCsvLines(entries) : toNdjsonLines(entries);
    },
  };
}

const needs = { table: 'audit', action: 'read' } as const;

/** @param id what its operations begin with @param path of the list @param of whose the log is */
function operationsOn<const Id extends string, const Path extends string>(
  scope: Scope,
  { id, path, of }: { readonly id: Id; readonly path: Path; readonly of: string },
) {
  return [
    defineOperation(
      {
        id: `${id}.list`,
        method: 'GET',
        path,
        summary: `Lists entries of the audit log ${of}, newest first, by actor, target, event, outcome and time.`,
        needs,
        query: listQuery,
        result: pageOf(shown),
      },
      (call, deps) => list(scope, call, deps),
    ),
    defineOperation(
      {
        id: `${id}.get`,
        method: 'GET',
        path: `${path}/entries/{entry}`,
        parameters: { entry: ENTRY_ID },
        summary: `Shows one entry of the audit log ${of}.`,
        needs,
        result: shown,
      },
      (call, deps) => get(scope, call, deps),
    ),
    defineOperation(
      {
        id: `${id}.count`,
        method: 'GET',
        path: `${path}/count`,
        summary: `Counts entries of the audit log ${of}, exactly up to 1,000.`,
        needs,
        query: filterQuery,
        result: counted,
      },
      (call, deps) => count(scope, call, deps),
    ),
    defineOperation(
      {
        id: `${id}.export`,
        method: 'GET',
        path: `${path}/export`,
        summary: `Gives all entries of the audit log ${of}, as lines of JSON or as CSV.`,
        needs,
        query: filterQuery,
        media: [NDJSON, CSV],
        dangerous: true,
      },
      (call, deps) => exportAll(scope, call, deps),
    ),
  ] as const;
}

export const auditOfServer = operationsOn('server', {
  id: 'audit',
  path: '/audit',
  of: 'of the whole server',
});

export const auditOfOrganization = operationsOn('organization', {
  id: 'organizations.audit',
  path: '/organizations/{organization}/audit',
  of: 'of the organization',
});
