import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DomainError } from '../../../src/errors/domain.ts';
import { catalogueOf } from '../../../src/nouns/index.ts';
import { unknownNames } from '../../../src/permissions/catalogue.ts';
import { equals, intersect, type Permissions } from '../../../src/permissions/permissions.ts';
import { findConnectionRights, findRights } from '../../../src/rights/rights.ts';
import type { Asked } from '../../../src/tokens/asked.ts';
import { downscope } from '../../../src/tokens/downscope.ts';
import { exchangeTtl, expiryOf, isAboutToExpire } from '../../../src/tokens/expiry.ts';
import type { Proof } from '../../../src/tokens/grant.ts';
import { findTarget } from '../../../src/tokens/target.ts';
import fc from '../../support/properties.ts';
import { type Chain, chain, type Nouns, removal, type Step, toNouns, type World, world } from './worlds.ts';

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
  readonly outcome: Token | DomainError;
}

interface Lineage {
  readonly root: Token;
  readonly trades: readonly Trade[];
}

const isToken = (outcome: Token | DomainError): outcome is Token => !(outcome instanceof DomainError);

function proofOf(parent: Token): Proof {
  const { scopes, ...rest } = parent;
  return { subject: 'somebody', startsLogin: false, parent: { ...rest, scope: scopes.join(' ') } };
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
  for (const [index, step] of wanted.steps.entries()) {
    at += step.wait * 1000;
    if (isAboutToExpire(parent.expiresAt, at)) break;
    const full = asked ? asked[index] : spellOut(step, parent);
    if (!full) break;
    const isUser = wanted.from === 'user';
    const outcome = await trade(parent, full, { step, at, isUser }, nouns).catch((error: unknown) => {
      assert.ok(error instanceof DomainError, String(error));
      return error;
    });
    trades.push({ step, asked: full, at, outcome });
    if (isToken(outcome)) parent = outcome;
    else if (afterRefusal === 'end') break;
  }
  return { root, trades };
}

/** Cell by cell, so that nothing is taken from the algebra that made it. */
function assertNotAbove(child: Token, ancestor: Token, what: string): void {
  if (child.permissions.isAdmin) assert.ok(ancestor.permissions.isAdmin, `${what}: isAdmin`);
  for (const [table, actions] of child.permissions.tables) {
    for (const action of actions)
      assert.ok(ancestor.permissions.allows(table, action), `${what}: ${table}:${action}`);
  }
  for (const scope of child.scopes) assert.ok(ancestor.scopes.includes(scope), `${what}: ${scope}`);
  assert.equal(child.resource, ancestor.resource, what);
  assert.ok((child.expiresAt ?? Infinity) <= (ancestor.expiresAt ?? Infinity), `${what}: expiry`);
}

/** What the world says of everybody whom a token came through, read without any of the code that decided. */
function assertWithinWorld(token: Token, whole: World, { from, application }: Chain, through: Step[]): void {
  const isPersons = from === 'user' || (from === 'connection' && whole.connection.isUsers);
  const first = from === 'connection' ? 0 : application;
  const holders = [
    ...[first, ...through.map((step) => step.application)].map((index) => {
      const { ceiling, scopes } = whole.applications[index]!;
      return { all: [ceiling], scopes };
    }),
    ...(from === 'connection'
      ? [{ all: [whole.connection.permissions], scopes: whole.connection.scopes }]
      : []),
    ...(isPersons && !whole.ownsResource
      ? [
          {
            all: whole.held.map((index) => whole.roles[index]!.permissions),
            scopes: whole.held.flatMap((index) => whole.roles[index]!.scopes),
          },
        ]
      : []),
  ];
  const { permissions, scopes } = token;
  for (const holder of holders) {
    if (permissions.isAdmin) assert.ok(holder.all.some(({ isAdmin }) => isAdmin));
    for (const [table, actions] of permissions.tables) {
      for (const action of actions) assert.ok(holder.all.some((each) => each.allows(table, action)));
    }
    for (const scope of scopes) assert.ok(holder.scopes.includes(scope));
  }
  for (const scope of scopes) assert.ok(whole.resourceScopes.includes(scope));
  for (const table of permissions.masks.keys()) assert.ok(whole.tables?.includes(table) ?? true);
}

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
  if (unknownNames(permissions, catalogueOf(resource)).length > 0) return true;
  const both = [parent.permissions, rights.permissions];
  if (permissions.isAdmin) return !both.every(({ isAdmin }) => isAdmin);
  return [...permissions.tables].some(([table, actions]) =>
    [...actions].some((action) => !both.every((each) => each.allows(table, action))),
  );
}

const tokensOf = ({ root, trades }: Lineage): Token[] => [
  root,
  ...trades.map(({ outcome }) => outcome).filter(isToken),
];

const holds = (law: (whole: World, wanted: Chain) => Promise<void>): Promise<void> =>
  fc.assert(fc.asyncProperty(world, chain, law), RUNS);

test(`PM-07 chains of exchanges only narrow, ${RUNS.numRuns} times`, async (t) => {
  await t.test('no token has more rights than any of its ancestors', async () => {
    let [made, deepest] = [0, 0];
    await holds(async (whole, wanted) => {
      const nouns = toNouns(whole, NOW);
      const lineage = await follow(wanted, nouns, { afterRefusal: 'go on' });
      const tokens = tokensOf(lineage);
      for (const [depth, child] of tokens.entries()) {
        for (const [above, ancestor] of tokens.slice(0, depth).entries()) {
          assertNotAbove(child, ancestor, `depth ${depth} against ${above}`);
        }
      }
      const through = lineage.trades.filter(({ outcome }) => isToken(outcome)).map(({ step }) => step);
      for (const [depth, token] of tokens.entries()) {
        assertWithinWorld(token, whole, wanted, through.slice(0, depth));
      }
      for (const { asked, step, at, outcome } of lineage.trades) {
        if (!isToken(outcome)) continue;
        if (asked.permissions) assert.ok(equals(outcome.permissions, asked.permissions));
        if (asked.scopes) assert.deepEqual(outcome.scopes, asked.scopes);
        const limit = Math.min(step.lifetime ?? 86_400, 86_400) * 1000;
        assert.ok(Number(outcome.expiresAt) <= at + limit, 'no longer than was asked for, or a day');
        assert.ok(Number(outcome.expiresAt) > at - 1000, 'it begins alive');
      }
      made += tokens.length;
      if (tokens.length === 6) deepest += 1;
    });
    assert.ok(
      made > RUNS.numRuns * 2 && deepest > RUNS.numRuns / 50,
      `${made} tokens, ${deepest} of depth 5`,
    );
  });

  await t.test('asking for more is refused and changes nothing', async () => {
    const refused = new Map<string, number>();
    await holds(async (whole, wanted) => {
      const nouns = toNouns(whole, NOW);
      const { root, trades } = await follow(wanted, nouns, { afterRefusal: 'go on' });
      const isUser = wanted.from === 'user';
      let parent = root;
      for (const { asked, step, at, outcome } of trades) {
        const isRefused = outcome instanceof DomainError;
        assert.equal(isRefused, await isBeyond(asked, parent, step, isUser, nouns));
        if (isToken(outcome)) {
          parent = outcome;
          continue;
        }
        refused.set(outcome.error, (refused.get(outcome.error) ?? 0) + 1);
        const modest: Asked = { resource: undefined, scopes: undefined, permissions: undefined };
        const same = () => trade(parent, modest, { step, at, isUser }, nouns);
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
        async (whole, wanted, taken) => {
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
      for (const { step, at, asked, outcome } of trades) {
        if (!isToken(outcome) || isAboutToExpire(outcome.expiresAt, at)) continue;
        const nothing: Asked = { resource: undefined, scopes: undefined, permissions: undefined };
        const all = { ...nothing, scopes: outcome.scopes, permissions: outcome.permissions };
        for (const again of [nothing, asked, all]) {
          const same = await trade(outcome, again, { step, at, isUser }, nouns);
          assert.ok(equals(same.permissions, outcome.permissions));
          assert.deepEqual([same.scopes, same.expiresAt], [outcome.scopes, outcome.expiresAt]);
        }
      }
    });
  });
});
