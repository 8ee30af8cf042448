/** What marks of the revocation feed do to tokens in PostgreSQL, with marks that the test writes. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { postgresMissing } from '../support/postgres.ts';
import { type Claims, claims, type GuardedWorld, ISSUER, RESOURCE, startGuarded } from './world.ts';

const TABLES = 'CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1);';
const HEARD = 'INSERT INTO grantable.feed VALUES (true, $1, $2, $3, clock_timestamp(), 30)';

interface Marks {
  readonly node?: string;
  readonly revoked?: number;
  readonly restored?: number;
  readonly narrowed?: number;
}

describe('tokens of which PostgreSQL knows that they ended', { skip: postgresMissing() }, () => {
  let world: GuardedWorld;
  before(async () => {
    world = await startGuarded({ tables: TABLES, declared: [{ id: 'orders', name: 'orders' }] });
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    await world.owner.query('DELETE FROM grantable.ended; DELETE FROM grantable.feed');
    await world.owner.query(HEARD, [ISSUER, RESOURCE, '7']);
  });

  const iat = Math.floor(Date.now() / 1000) - 100;
  const issued = iat * 1000;

  const sees = async (said: Claims): Promise<boolean> =>
    (await world.as(claims({ iat, permissions: { isAdmin: true }, ...said }), 'SELECT FROM orders'))
      .rowCount === 1;
  const mark = ({ node = 'n1', revoked, restored, narrowed }: Marks) =>
    world.owner.query('INSERT INTO grantable.ended VALUES ($1, $2, $3, $4, $5)', [
      ...[node, revoked, restored, narrowed],
      iat + 1000,
    ]);

  it('lets tokens through of which nothing ended', async () => {
    await mark({ node: 'other', revoked: issued + 1 });
    assert.equal(await sees({ as_of: issued + 400 }), true);
  });

  it('gives nothing to a token that ended, nor below one, whenever it was issued', async () => {
    await mark({ revoked: issued - 50_000 });
    await mark({ node: 'j7', revoked: issued - 50_000 });
    assert.equal(await sees({}), false);
    assert.equal(await sees({ anc: ['n0', 'n1'] }), false);
    assert.equal(await sees({ anc: ['n2'], jti: 'j7' }), false);
    assert.equal(await sees({ anc: ['n2'] }), true);
  });

  it('gives nothing to tokens from before a restoration', async () => {
    await mark({ revoked: issued - 9000, restored: issued + 100 });
    assert.equal(await sees({}), false);
    assert.equal(await sees({ iat: iat + 1 }), true);
    await mark({ node: 'n2', revoked: issued + 200, restored: issued + 100 });
    assert.equal(await sees({ iat: iat + 1, anc: ['n2'] }), false);
  });

  it('gives nothing to what was narrowed in the second of its iat or later', async () => {
    await mark({ narrowed: issued + 999 });
    assert.equal(await sees({}), false);
    assert.equal(await sees({ as_of: issued + 1000 }), false);
    assert.equal(await sees({ iat: iat + 1 }), true);
    assert.equal(await sees({ iat: iat + 1, as_of: issued + 999 }), false);
  });

  it('goes by the time of an introspection where that was asked', async () => {
    await mark({ narrowed: issued + 5000 });
    const answer = { active: true, token_type: 'Bearer' };
    assert.equal(await sees(answer), false);
    assert.equal(await sees({ ...answer, as_of: issued + 5001 }), true);
    assert.equal(await sees({ as_of: issued + 5001 }), false);
  });

  it('gives nothing once the feed is silent for longer than max_silence', async () => {
    const age = (seconds: number) =>
      world.owner.query(
        'UPDATE grantable.feed SET heard_at = clock_timestamp() - make_interval(secs => $1)',
        [seconds],
      );
    await age(10);
    assert.equal(await sees({}), true);
    await age(31);
    assert.equal(await sees({}), false);
    await world.owner.query('UPDATE grantable.feed SET max_silence = 3600');
    assert.equal(await sees({}), true);
  });

  it('gives nothing if the feed is that of another issuer or resource', async () => {
    await world.owner.query(`UPDATE grantable.feed SET issuer = 'https://other.example'`);
    assert.equal(await sees({}), false);
    await world.owner.query('UPDATE grantable.feed SET issuer = $1, resource = $2', [ISSUER, 'https://x/']);
    assert.equal(await sees({}), false);
  });

  it('gives nothing to tokens that lack jti, anc or iat', async () => {
    const answer = { active: true, token_type: 'Bearer' };
    for (const said of [
      { jti: undefined },
      { jti: 7 },
      { anc: undefined },
      { anc: 'n2' },
      { iat: undefined },
      { iat: undefined, as_of: issued },
      { iat: undefined, as_of: issued, ...answer },
    ]) {
      assert.equal(await sees(said), false, JSON.stringify(said));
    }
  });

  it('gives nothing to a token that a clock made which is ahead', async () => {
    const ahead = { iat: Math.floor(Date.now() / 1000) + 60 };
    assert.equal(await sees(ahead), false);
    await world.owner.query('DELETE FROM grantable.feed');
    assert.equal(await sees(ahead), true);
  });

  it('does not bind exempt roles', async () => {
    await world.owner.query(`UPDATE grantable.feed SET heard_at = '-infinity'`);
    assert.equal((await world.owner.query('SELECT FROM public.orders')).rowCount, 1);
  });
});
