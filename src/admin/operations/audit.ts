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
import { visiblePart } from '../rights/guards.ts';
import type { OperationDeps } from './deps.ts';
import { type Call, defineOperation } from './operation.ts';
import { counted, moment, pageOf, pageQuery, toMoment } from './shapes.ts';
import { findVisible, tells } from './visible-pages.ts';

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

type AnyCall<Query> = Pick<Call<string, Query>, 'actor' | 'organization' | 'query'>;

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
function createToEntry({ organizations }: Pick<DirectoryStore, 'organizations'>) {
  const names = new Map<string, Promise<string>>();
  const nameOf = (id: string): Promise<string> => {
    const known = names.get(id) ?? organizations.get(id).then((found) => found?.name ?? id);
    names.set(id, known);
    return known;
  };
  return async ({ cursor, at, organization, ...rest }: AuditRecord): Promise<Entry> =>
    defined({
      id: cursor,
      at: toMoment(at),
      ...rest,
      organization: organization === undefined ? undefined : await nameOf(organization),
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

function visibleOf(actor: Actor, each: Entry, query: Filters = {}): Shown[] {
  const part = visiblePart(actor, 'audit', each);
  const filtered = Object.entries(TOLD_BY).filter(([name]) => query[name as keyof Filters] !== undefined);
  return part &&
    tells(
      part,
      filtered.map(([, columns]) => columns),
    )
    ? [part as Shown]
    : [];
}

const hasNoLimits = ({ permissions }: Actor): boolean => permissions.allows('audit', 'read');

/** What the actor may read of each page, newest first; of a page that may be nothing. */
async function* eachPage(scope: Scope, call: AnyCall<Filters>, deps: OperationDeps): AsyncGenerator<Shown[]> {
  const toEntry = createToEntry(deps.store);
  const filter = toFilter(scope, call);
  let before: string | undefined;
  do {
    const page = await deps.audit.page(defined({ ...filter, limit: PAGE, before }));
    const entries = await Promise.all(page.entries.map(toEntry));
    yield entries.flatMap((each) => visibleOf(call.actor, each, call.query));
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
    async (records) => {
      const all = await Promise.all(records.map(toEntry));
      return all.flatMap((each) => visibleOf(call.actor, each, call.query));
    },
  );
  return { body };
}

async function get(scope: Scope, id: string, call: AnyCall<unknown>, deps: OperationDeps) {
  const found = await deps.audit.find(id);
  const isThere = found && (scope === 'server' || found.organization === call.organization.id);
  const [body] = isThere ? visibleOf(call.actor, await createToEntry(deps.store)(found)) : [];
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
const NEWEST = 'newest first, by actor, target, event, outcome and time';

export const listAudit = defineOperation(
  {
    id: 'audit.list',
    method: 'GET',
    path: '/audit',
    summary: `Lists entries of the audit log of the whole server, ${NEWEST}.`,
    needs,
    query: listQuery,
    result: pageOf(shown),
  },
  (call, deps) => list('server', call, deps),
);

export const getAuditEntry = defineOperation(
  {
    id: 'audit.get',
    method: 'GET',
    path: '/audit/entries/{entry}',
    parameters: { entry: ENTRY_ID },
    summary: 'Shows one entry of the audit log.',
    needs,
    result: shown,
  },
  (call, deps) => get('server', call.parameters.entry, call, deps),
);

export const countAudit = defineOperation(
  {
    id: 'audit.count',
    method: 'GET',
    path: '/audit/count',
    summary: 'Counts entries of the audit log of the whole server, exactly up to 1,000.',
    needs,
    query: filterQuery,
    result: counted,
  },
  (call, deps) => count('server', call, deps),
);

export const exportAudit = defineOperation(
  {
    id: 'audit.export',
    method: 'GET',
    path: '/audit/export',
    summary: 'Gives all entries of the audit log of the whole server, as lines of JSON or as CSV.',
    needs,
    query: filterQuery,
    media: [NDJSON, CSV],
    dangerous: true,
  },
  (call, deps) => exportAll('server', call, deps),
);

export const listOrganizationAudit = defineOperation(
  {
    id: 'organizations.audit.list',
    method: 'GET',
    path: '/organizations/{organization}/audit',
    summary: `Lists entries of the audit log that concern the organization, ${NEWEST}.`,
    needs,
    query: listQuery,
    result: pageOf(shown),
  },
  (call, deps) => list('organization', call, deps),
);

export const getOrganizationAuditEntry = defineOperation(
  {
    id: 'organizations.audit.get',
    method: 'GET',
    path: '/organizations/{organization}/audit/entries/{entry}',
    parameters: { entry: ENTRY_ID },
    summary: 'Shows one entry of the audit log of the organization.',
    needs,
    result: shown,
  },
  (call, deps) => get('organization', call.parameters.entry, call, deps),
);

export const countOrganizationAudit = defineOperation(
  {
    id: 'organizations.audit.count',
    method: 'GET',
    path: '/organizations/{organization}/audit/count',
    summary: 'Counts entries of the audit log of the organization, exactly up to 1,000.',
    needs,
    query: filterQuery,
    result: counted,
  },
  (call, deps) => count('organization', call, deps),
);

export const exportOrganizationAudit = defineOperation(
  {
    id: 'organizations.audit.export',
    method: 'GET',
    path: '/organizations/{organization}/audit/export',
    summary: 'Gives all entries of the audit log of the organization, as lines of JSON or as CSV.',
    needs,
    query: filterQuery,
    media: [NDJSON, CSV],
    dangerous: true,
  },
  (call, deps) => exportAll('organization', call, deps),
);
