import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DomainError } from '../../../src/errors/domain.ts';
import { catalogueOf } from '../../../src/nouns/index.ts';
import { toActions } from '../../../src/permissions/actions.ts';
import { findMisfits, withinCatalogue } from '../../../src/permissions/catalogue.ts';
import type { Alternative } from '../../../src/permissions/limits.ts';
import {
  type Action,
  equals,
  intersect,
  type Permissions,
  rightsOf,
} from '../../../src/permissions/permissions.ts';
import { findConnectionRights, findRights } from '../../../src/rights/rights.ts';
import type { Asked } from '../../../src/tokens/asked.ts';
import { downscope } from '../../../src/tokens/downscope.ts';
import { exchangeTtl, expiryOf, isAboutToExpire } from '../../../src/tokens/expiry.ts';
import type { Proof } from '../../../src/tokens/grant.ts';
import { findTarget } from '../../../src/tokens/target.ts';
import fc from '../../support/properties.ts';
import { both, EVERYTHING_SEEN, either, findBeyond, type Sight, sightOf, sightOfWritten } from './sights.ts';
import {
  type Attributes,
  type Chain,
  chain,
  GROUP,
  type Nouns,
  removal,
  type Step,
  toNouns,
  type World,
  world,
} from './worlds.ts';

const RUNS = { numRuns: process.env.GRANTABLE_TEST_LONG ? 20_000 : 2_000 };
const NOW = Date.UTC(2026, 0, 1, 12, 0, 0, 250);

/** What a token is, as far as what is made from it goes. */
interface Token {
  readonly resource: string;
  readonly scopes: readonly string[];
  readonly permissions: Permissions;
  /** Milliseconds; absent for a connection that lives until it is ended. */
  readonly expiresAt?: number;
  readonly maxTokenTtl?: number;
}

/** What was asked for, in full, and what came of it. */
interface Trade {
  readonly step: Step;
  readonly asked: Asked;
  readonly at: number;
  readonly parent: Token;
  /** As they were then. */
  readonly nouns: Nouns;
  readonly outcome: Token | DomainError;
}

interface Lineage {
  readonly root: Token;
  readonly trades: readonly Trade[];
}

const isToken = (outcome: Token | DomainError): outcome is Token => !(outcome instanceof DomainError);

function proofOf(parent: Token): Proof {
  const { scopes, ...rest } = parent;
  return { subject: 'somebody', parent: { ...rest, scope: scopes.join(' ') } };
}

async function rootOf({ from, application: at }: Chain, nouns: Nouns): Promise<Token | undefined> {
  const { view, resource, applications, user, connection } = nouns;
  if (from === 'connection') {
    const owner = connection.owner === undefined ? undefined : user;
    const rights = await findConnectionRights(view, connection, applications[0]!, resource, owner);
    assert.ok(rights);
    const { expiresAt, maxTokenTtl } = connection;
    return {
      resource: resource.identifier,
      scopes: [...rights.scopes],
      permissions: rights.permissions,
      ...(expiresAt !== undefined && { expiresAt }),
      ...(maxTokenTtl !== undefined && { maxTokenTtl }),
    };
  }
  const rights = await findRights(view, applications[at]!, resource, from === 'user' ? user : undefined);
  assert.ok(rights);
  const expiresAt = expiryOf(resource.token.ttl, undefined, NOW);
  const { permissions, scopes } = rights;
  return { resource: resource.identifier, scopes: [...scopes], permissions, expiresAt };
}

/** One exchange, by the same functions in the same order as the grant's. @throws DomainError when it is refused */
async function trade(
  parent: Token,
  asked: Asked,
  { step, at, isUser }: { step: Step; at: number; isUser: boolean },
  { view, applications, user }: Nouns,
): Promise<Token> {
  const application = applications[step.application]!;
  const proof = proofOf(parent);
  const resource = await findTarget(view, application, proof, asked);
  const rights = resource && (await findRights(view, application, resource, isUser ? user : undefined));
  const { permissions, scopes } = downscope({ asked, proof, resource, rights });
  const ttl = exchangeTtl([step.lifetime, parent.maxTokenTtl, application.maxExchangeTtl]);
  const expiresAt = expiryOf(ttl, parent.expiresAt, at);
  return { resource: resource!.identifier, scopes, permissions, expiresAt };
}

function spellOut({ resource, scopes, permissions }: Step, parent: Token): Asked {
  const within = permissions && 'within' in permissions ? permissions.within : undefined;
  return {
    resource,
    scopes,
    permissions: within ? intersect(parent.permissions, within) : (permissions as Permissions | undefined),
  };
}

/**
 * Goes along a chain until something has expired.
 * @param asked what was asked for the first time, to ask for the very same
 * @param afterRefusal `end`, or go on with the token that was asked with
 */
async function follow(
  wanted: Chain,
  nouns: Nouns,
  { asked, afterRefusal }: { asked?: readonly Asked[]; afterRefusal: 'end' | 'go on' },
): Promise<Lineage> {
  const root = await rootOf(wanted, nouns);
  assert.ok(root);
  const trades: Trade[] = [];
  let parent = root;
  let at = NOW;
  let { user } = nouns;
  for (const [index, step] of wanted.steps.entries()) {
    at += step.wait * 1000;
    if (step.attributes) user = { ...user, attributes: step.attributes };
    if (isAboutToExpire(parent.expiresAt, at)) break;
    const full = asked ? asked[index] : spellOut(step, parent);
    if (!full) break;
    const isUser = wanted.from === 'user';
    const outcome = await trade(parent, full, { step, at, isUser }, { ...nouns, user }).catch(
      (error: unknown) => {
        assert.ok(error instanceof DomainError, String(error));
        return error;
      },
    );
    trades.push({ step, asked: full, at, parent, nouns: { ...nouns, user }, outcome });
    if (isToken(outcome)) parent = outcome;
    else if (afterRefusal === 'end') break;
  }
  return { root, trades };
}

/** Row by row, so that nothing is taken from the algebra that made it. */
function assertNotAbove(child: Token, ancestor: Token, what: string): void {
  if (child.permissions.isAdmin) assert.ok(ancestor.permissions.isAdmin, `${what}: isAdmin`);
  const beyond = findBeyond(sightOf(child.permissions), sightOf(ancestor.permissions));
  assert.equal(beyond, undefined, what);
  for (const scope of child.scopes) assert.ok(ancestor.scopes.includes(scope), `${what}: ${scope}`);
  assert.equal(child.resource, ancestor.resource, what);
  assert.ok((child.expiresAt ?? Infinity) <= (ancestor.expiresAt ?? Infinity), `${what}: expiry`);
}

/** What the world lets a party have at some moment, read without any of the code that decided. */
interface Party {
  readonly sight: Sight;
  readonly isAdmin: boolean;
  readonly scopes: readonly string[];
}

function partyOf(
  given: readonly { readonly permissions: Permissions; readonly scopes: readonly string[] }[],
  whole: World,
  attributes: Attributes,
): Party {
  const sights = given.map(({ permissions }) => sightOfWritten(permissions, whole, attributes));
  return {
    sight: either(...sights),
    isAdmin: given.some(({ permissions }) => permissions.isAdmin),
    scopes: given.flatMap(({ scopes }) => scopes),
  };
}

const ownerOf = (whole: World): Party => ({
  sight: EVERYTHING_SEEN,
  isAdmin: true,
  scopes: whole.resourceScopes,
});

function userOf(whole: World, attributes: Attributes): Party {
  if (whole.ownsResource) return ownerOf(whole);
  const held = whole.held.map((index) => whole.roles[index]!);
  return partyOf(held, whole, attributes);
}

/** The parties whose rights a token was made from. @param user if it is for a user */
function partiesOf(
  application: number,
  whole: World,
  attributes: Attributes,
  isUser: boolean,
): readonly Party[] {
  const { ceiling, scopes } = whole.applications[application]!;
  // A ceiling has no user where an application asks for itself.
  const own = partyOf([{ permissions: ceiling, scopes }], whole, isUser ? attributes : {});
  return isUser ? [own, userOf(whole, attributes)] : [own];
}

function rootParties({ from, application }: Chain, whole: World): readonly Party[] {
  const { attributes, connection } = whole;
  if (from !== 'connection') return partiesOf(application, whole, attributes, from === 'user');
  const isUser = connection.isUsers;
  const own = partyOf([connection], whole, isUser ? attributes : {});
  return [...partiesOf(0, whole, attributes, isUser), own];
}

function assertMadeOf(token: Token, parties: readonly Party[], expected: Sight, whole: World): void {
  const { permissions, scopes } = token;
  if (permissions.isAdmin) assert.ok(parties.every(({ isAdmin }) => isAdmin));
  const sight = sightOf(permissions);
  assert.deepEqual([findBeyond(sight, expected), findBeyond(expected, sight)], [undefined, undefined]);
  for (const party of parties) for (const scope of scopes) assert.ok(party.scopes.includes(scope));
  for (const scope of scopes) assert.ok(whole.resourceScopes.includes(scope));
  const tables = [...permissions.masks.keys(), ...permissions.limits.keys()];
  for (const table of tables) assert.ok(whole.tables?.includes(table) ?? true);
}

const NO_ATTRIBUTES: Attributes = {};

const sightsOf = (parties: readonly Party[]): Sight[] => parties.map(({ sight }) => sight);

/** Whether a request asks for what its parent or its client do not have. */
async function isBeyond(
  asked: Asked,
  parent: Token,
  step: Step,
  isUser: boolean,
  nouns: Nouns,
): Promise<boolean> {
  const { view, resource, applications, user } = nouns;
  if (asked.resource !== undefined && asked.resource !== parent.resource) return true;
  const rights = await findRights(view, applications[step.application]!, resource, isUser ? user : undefined);
  assert.ok(rights);
  const { scopes = [], permissions } = asked;
  if (scopes.some((scope) => !parent.scopes.includes(scope) || !rights.scopes.has(scope))) return true;
  if (!permissions) return false;
  if (findMisfits(permissions, catalogueOf(resource)).length > 0) return true;
  const parentAndRights = [parent, rights];
  if (permissions.isAdmin) return !parentAndRights.every((each) => each.permissions.isAdmin);
  const held = parentAndRights.map((each) => each.permissions);
  return [...rightsOf(withinCatalogue(permissions, catalogueOf(resource)))].some(([table, mask, limit]) =>
    toActions(mask).some((action) => !isThere(table, action, limit, held)),
  );
}

/** Without limits, something has to be there; with limits, each party has to have an alternative that is as wide. */
function isThere(
  table: string,
  action: Action,
  limit: Alternative | undefined,
  held: readonly Permissions[],
): boolean {
  const [first = [], second = []] = held.map((each) => each.cell(table, action));
  if (table === '*') return held.every((each) => each.allows(table, action));
  if (!limit) return first.some((one) => second.some((other) => doMeet(one, other)));
  return [first, second].every((cell) => cell.some((each) => isAsWide(each, limit)));
}

function doMeet(one: Alternative, other: Alternative): boolean {
  const columns = [...(one.columns ?? [])];
  const haveColumn = !one.columns || !other.columns || columns.some((column) => other.columns?.has(column));
  const haveRows = [...one.rows].every(([column, values]) => {
    const others = other.rows.get(column);
    return !others || [...values].some((value) => others.has(value));
  });
  return haveColumn && haveRows;
}

function isAsWide(one: Alternative, limit: Alternative): boolean {
  const columns = [...(limit.columns ?? ['ghost'])];
  return (
    columns.every((column) => !one.columns || one.columns.has(column)) &&
    [...one.rows].every(([column, values]) => {
      const asked = limit.rows.get(column);
      return asked !== undefined && [...asked].every((value) => values.has(value));
    })
  );
}

/** A request for a smaller group asks for less, so it may be given where the larger one was refused. */
function withoutGroups(wanted: Chain): Chain {
  const steps = wanted.steps.map((step) => {
    const { permissions } = step;
    const named = permissions && ('within' in permissions ? permissions.within : permissions);
    const names = named ? [...rightsOf(named)].map(([name]) => name) : [];
    return names.includes(GROUP) ? { ...step, permissions: undefined } : step;
  });
  return { ...wanted, steps };
}

const tokensOf = ({ root, trades }: Lineage): Token[] => [
  root,
  ...trades.map(({ outcome }) => outcome).filter(isToken),
];

const holds = (law: (whole: World, wanted: Chain) => Promise<void>): Promise<void> =>
  fc.assert(fc.asyncProperty(world, chain, law), RUNS);

test(`PM-07 chains of exchanges only narrow, ${RUNS.numRuns} times`, async (t) => {
  await t.test('no token has more rights than any of its ancestors', async () => {
    let [made, deepest, limited, wide, moved] = [0, 0, 0, 0, 0];
    await holds(async (whole, wanted) => {
      const nouns = toNouns(whole, NOW);
      const lineage = await follow(wanted, nouns, { afterRefusal: 'go on' });
      const tokens = tokensOf(lineage);
      for (const [depth, child] of tokens.entries()) {
        for (const [above, ancestor] of tokens.slice(0, depth).entries()) {
          assertNotAbove(child, ancestor, `depth ${depth} against ${above}`);
        }
      }
      const isUser = wanted.from === 'user';
      const parties = rootParties(wanted, whole);
      assertMadeOf(lineage.root, parties, both(...sightsOf(parties)), whole);
      for (const { asked, step, parent, nouns: then, outcome } of lineage.trades) {
        if (!isToken(outcome)) continue;
        const { attributes = NO_ATTRIBUTES } = then.user;
        const now = partiesOf(step.application, whole, attributes, isUser);
        const named = asked.permissions && sightOfWritten(asked.permissions, whole, NO_ATTRIBUTES);
        const expected = both(sightOf(parent.permissions), ...sightsOf(now), named ?? EVERYTHING_SEEN);
        assertMadeOf(outcome, now, expected, whole);
      }
      for (const { asked, step, at, outcome } of lineage.trades) {
        if (!isToken(outcome)) continue;
        if (asked.scopes) assert.deepEqual(outcome.scopes, asked.scopes);
        const limit = Math.min(step.lifetime ?? 86_400, 86_400) * 1000;
        assert.ok(Number(outcome.expiresAt) <= at + limit, 'no longer than was asked for, or a day');
        assert.ok(Number(outcome.expiresAt) > at - 1000, 'it begins alive');
      }
      made += tokens.length;
      limited += tokens.filter(({ permissions }) => permissions.limits.size > 0).length;
      wide += tokens.filter(({ permissions }) => permissions.all !== 0).length;
      if (isUser && lineage.trades.some(({ step }) => step.attributes)) moved += 1;
      if (tokens.length === 6) deepest += 1;
    });
    assert.ok(
      made > RUNS.numRuns * 2 && deepest > RUNS.numRuns / 50,
      `${made} tokens, ${deepest} of depth 5`,
    );
    for (const [what, count] of Object.entries({ limited, wide, moved })) {
      assert.ok(count > RUNS.numRuns / 10, `only ${count} were ${what}`);
    }
  });

  await t.test('asking for more is refused and changes nothing', async () => {
    const refused = new Map<string, number>();
    await holds(async (whole, wanted) => {
      const nouns = toNouns(whole, NOW);
      const { trades } = await follow(wanted, nouns, { afterRefusal: 'go on' });
      const isUser = wanted.from === 'user';
      for (const { asked, step, at, parent, nouns: then, outcome } of trades) {
        const isRefused = outcome instanceof DomainError;
        assert.equal(isRefused, await isBeyond(asked, parent, step, isUser, then));
        if (isToken(outcome)) continue;
        refused.set(outcome.error, (refused.get(outcome.error) ?? 0) + 1);
        const modest: Asked = { resource: undefined, scopes: undefined, permissions: undefined };
        const same = () => trade(parent, modest, { step, at, isUser }, then);
        const [before, after] = [await same(), await same()];
        assert.deepEqual([after.scopes, after.expiresAt], [before.scopes, before.expiresAt]);
        assert.ok(equals(after.permissions, before.permissions));
      }
    });
    assert.deepEqual([...refused.keys()].sort(), [
      'invalid_authorization_details',
      'invalid_scope',
      'invalid_target',
    ]);
  });

  await t.test('taking rights from an ancestor never adds rights below it', async () => {
    let smaller = 0;
    await fc.assert(
      fc.asyncProperty(
        world,
        chain,
        fc.array(removal, { minLength: 1, maxLength: 3 }),
        async (whole, chosen, taken) => {
          const wanted = withoutGroups(chosen);
          const before = await follow(wanted, toNouns(whole, NOW), { afterRefusal: 'end' });
          const left = taken.reduce((sofar, take) => take(sofar), whole);
          const after = await follow(wanted, toNouns(left, NOW), {
            asked: before.trades.map(({ asked }) => asked),
            afterRefusal: 'end',
          });
          assertNotAbove(after.root, before.root, 'root');
          for (const [index, { outcome }] of after.trades.entries()) {
            if (!isToken(outcome)) continue;
            const was = before.trades[index]?.outcome;
            assert.ok(was && isToken(was), 'what was refused stays refused');
            assertNotAbove(outcome, was, `trade ${index}`);
            if (!equals(outcome.permissions, was.permissions)) smaller += 1;
          }
        },
      ),
      RUNS,
    );
    assert.ok(smaller > RUNS.numRuns / 10, `only ${smaller} were smaller`);
  });

  await t.test('a token that is exchanged for the same again gives the same', async () => {
    await holds(async (whole, wanted) => {
      const nouns = toNouns(whole, NOW);
      const isUser = wanted.from === 'user';
      const { trades } = await follow(wanted, nouns, { afterRefusal: 'go on' });
      for (const { step, at, asked, nouns: then, outcome } of trades) {
        if (!isToken(outcome) || isAboutToExpire(outcome.expiresAt, at)) continue;
        const nothing: Asked = { resource: undefined, scopes: undefined, permissions: undefined };
        const all = { ...nothing, scopes: outcome.scopes, permissions: outcome.permissions };
        for (const again of [nothing, asked, all]) {
          const same = await trade(outcome, again, { step, at, isUser }, then);
          assert.ok(equals(same.permissions, outcome.permissions));
          assert.deepEqual([same.scopes, same.expiresAt], [outcome.scopes, outcome.expiresAt]);
        }
      }
    });
  });
});
