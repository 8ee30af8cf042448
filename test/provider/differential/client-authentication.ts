/** How clients say who they are: rightly, and in every wrong or odd way. */
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { type Fields, type Source, TOKEN_PATH } from './source.ts';
import type { Party, Text } from './world.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const strangersKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** @param text id and secret with a colon between them, usually */
export const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const asBearer = (token: Text): Text =>
  typeof token === 'string'
    ? `Bearer ${token}`
    : { name: token.name, of: [`Bearer ${token.of[0]}`, `Bearer ${token.of[1]}`] };

export interface Presented {
  readonly authorization?: Text;
  readonly fields?: Fields;
}

/** @param change of the claims, undefined members are left out */
function makeAssertion(
  party: Party,
  { random, world, assertions }: Source,
  change: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): string {
  const seconds = Math.floor(world.now() / 1000);
  const claims = {
    iss: party.id,
    sub: party.id,
    aud: world.issuer,
    jti: randomUUID(),
    exp: seconds + 60 + random.below(500),
    ...change,
  };
  const head = { alg: 'ES256', kid: 'client-key', ...header };
  const text = `${base64url(head)}.${base64url(claims)}`;
  const key = party.key ?? strangersKey;
  let signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  if (head.alg === 'none') signature = '';
  if (head.alg === 'HS256') {
    signature = createHmac('sha256', party.secret ?? 'x')
      .update(text)
      .digest('base64url');
  }
  const assertion = `${text}.${signature}`;
  assertions.push(assertion);
  return assertion;
}

const byAssertion = (assertion: string): Presented => ({
  fields: [
    ['client_assertion_type', ASSERTION_TYPE],
    ['client_assertion', assertion],
  ],
});

/** As it is registered, or near enough. */
export function right(party: Party, source: Source): Presented {
  const { random, world } = source;
  const { id, secret = '', method } = party;
  if (method === 'none') return { fields: [['client_id', id]] };
  if (method === 'private_key_jwt') {
    const audiences =
      party.id === 'endpoint' ? [world.issuer, `${world.issuer}${TOKEN_PATH}`] : [world.issuer];
    return byAssertion(makeAssertion(party, source, { aud: random.pick(audiences) }));
  }
  const inBody = method === 'client_secret_post' ? 0.8 : 0.15;
  if (random.chance(inBody)) {
    return {
      fields: [
        ['client_id', id],
        ['client_secret', secret],
      ],
    };
  }
  return {
    authorization: random.weigh([
      [8, basic(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)],
      [1, basic(`${id}:${secret}`)],
    ]),
  };
}

type Way = (party: Party, source: Source) => Presented;

const both = (one: Presented, other: Presented): Presented => ({
  ...one,
  ...other,
  fields: [...(one.fields ?? []), ...(other.fields ?? [])],
});
export const inBody = (id: string, secret: string): Presented => ({
  fields: [
    ['client_id', id],
    ['client_secret', secret],
  ],
});
const asserting =
  (
    change: (source: Source, party: Party) => Record<string, unknown>,
    header: Record<string, unknown> = {},
  ): Way =>
  (party, source) =>
    byAssertion(makeAssertion(party, source, change(source, party), header));
const seconds = ({ world }: Source): number => Math.floor(world.now() / 1000);

/** Ways that are wrong, odd, or right by luck. */
export const WAYS: readonly (readonly [weight: number, way: Way])[] = [
  [6, ({ id }) => ({ authorization: basic(`${id}:wrong`) })],
  [3, ({ id }) => inBody(id, 'wrong')],
  [2, ({ id }) => ({ authorization: basic(`${id}:`) })],
  [2, ({ id }) => inBody(id, '')],
  [2, ({ id }) => ({ authorization: basic(`:${id}`) })],
  [3, () => ({})],
  [3, ({ id }) => ({ fields: [['client_id', id]] })],
  [2, ({ secret = 'x' }) => ({ fields: [['client_secret', secret]] })],
  [2, ({ id, secret = 'x' }) => both({ authorization: basic(`${id}:${secret}`) }, inBody(id, secret))],
  [2, ({ id, secret = 'x' }) => both({ authorization: basic(`${id}:${secret}`) }, inBody(id, 'wrong'))],
  [
    2,
    ({ id, secret = 'x' }) =>
      both({ authorization: basic(`${id}:${secret}`) }, { fields: [['client_id', id]] }),
  ],
  [
    3,
    ({ id, secret = 'x' }, { random, world }) =>
      both(
        { authorization: basic(`${id}:${secret}`) },
        { fields: [['client_id', random.pick(world.parties).id]] },
      ),
  ],
  [
    2,
    ({ id, secret = 'x' }) =>
      both({ authorization: basic(`${id}:${secret}`) }, { fields: [['client_id', '']] }),
  ],
  [2, ({ id, secret = 'x' }) => ({ authorization: basic(`${id}:${secret}`).replace('Basic', 'basic') })],
  [1, ({ id, secret = 'x' }) => ({ authorization: basic(`${id}:${secret}`).replace('Basic ', 'Basic  ') })],
  [1, ({ id, secret = 'x' }) => ({ authorization: basic(`${id}:${secret}`).replace(/=+$/, '') })],
  [1, ({ id, secret = 'x' }) => ({ authorization: basic(`${id}:${secret}:more`) })],
  [1, ({ id, secret = 'x' }) => ({ authorization: basic(`%${id}:${secret}`) })],
  [1, ({ id, secret = 'x' }) => ({ authorization: basic(`${id}:${encodeURIComponent(secret)}%zz`) })],
  [1, ({ id, secret = 'x' }) => ({ authorization: basic(`${encodeURIComponent(id)} :${secret}`) })],
  [1, ({ id }) => ({ authorization: basic(id) })],
  [1, () => ({ authorization: 'Basic %%%' })],
  [1, () => ({ authorization: 'Basic' })],
  [1, () => ({ authorization: 'Basic ' })],
  [1, () => ({ authorization: basic(':') })],
  [1, () => ({ authorization: basic('\u0000:\u0001') })],
  [1, () => ({ authorization: basic('größe:straße') })],
  [1, () => ({ authorization: basic(`${'long'.repeat(500)}:x`) })],
  [2, ({ id }) => ({ authorization: 'Bearer abc', fields: [['client_id', id]] })],
  [2, ({ id, secret = 'x' }) => ({ authorization: 'Digest username="a"', ...inBody(id, secret) })],
  [1, (_, { random, held }) => ({ authorization: asBearer(random.pick(held).value) })],
  [2, ({ id, secret = 'x' }) => both(inBody(id, secret), { fields: [['client_id', id]] })],
  [2, ({ id, secret = 'x' }) => both(inBody(id, secret), { fields: [['client_secret', secret]] })],
  [1, ({ id, secret = 'x' }) => inBody(` ${id}`, secret)],
  [1, ({ id, secret = 'x' }) => inBody(id.toUpperCase(), secret)],
  [1, ({ secret = 'x' }) => inBody('__proto__', secret)],
  [1, ({ secret = 'x' }) => inBody('a"b\u00e4', secret)],
  // What comes with a key.
  [4, asserting(() => ({}))],
  [2, asserting(() => ({ aud: 'https://elsewhere.example' }))],
  [1, asserting(({ world }) => ({ aud: [world.issuer] }))],
  [1, asserting(({ world }) => ({ aud: [world.issuer, 'https://elsewhere.example'] }))],
  [2, asserting(({ world }) => ({ aud: `${world.issuer}${TOKEN_PATH}` }))],
  [1, asserting(() => ({ aud: undefined }))],
  [2, asserting((source) => ({ exp: seconds(source) - 100_000 }))],
  [1, asserting((source) => ({ exp: seconds(source) + 900_000 }))],
  [1, asserting(() => ({ exp: undefined }))],
  [1, asserting(() => ({ exp: 'soon' }))],
  [1, asserting((source) => ({ iat: seconds(source) + 900_000 }))],
  [1, asserting((source) => ({ nbf: seconds(source) + 900_000 }))],
  [1, asserting(() => ({ iat: 'now' }))],
  [1, asserting((source) => ({ iat: seconds(source) - 100_000, nbf: 1 }))],
  [1, asserting(() => ({ jti: undefined }))],
  [1, asserting(() => ({ jti: 'x'.repeat(300) }))],
  [1, asserting(() => ({ jti: 7 }))],
  [1, asserting(() => ({ iss: 'machine' }))],
  [1, asserting(({ random, world }) => ({ sub: random.pick(world.parties).id }))],
  [
    1,
    asserting(({ random, world }) => {
      const { id } = random.pick(world.parties);
      return { iss: id, sub: id };
    }),
  ],
  [1, asserting(() => ({}), { alg: 'none' })],
  [2, asserting(() => ({}), { alg: 'HS256' })],
  [1, asserting(() => ({}), { alg: 'RS256' })],
  [1, asserting(() => ({}), { kid: 'other' })],
  [1, asserting(() => ({}), { kid: undefined })],
  [1, asserting(() => ({}), { typ: 'client-authentication+jwt' })],
  [1, asserting(() => ({}), { typ: 'at+jwt' })],
  [1, asserting(() => ({}), { jku: 'https://elsewhere.example/' })],
  [1, asserting(() => ({}), { crit: ['x'], x: 1 })],
  [2, (party, source) => byAssertion(makeAssertion({ ...party, key: strangersKey }, source))],
  [
    3,
    (_, { random, assertions }) =>
      byAssertion(assertions.length > 0 ? random.pick(assertions.slice(-20)) : 'x'),
  ],
  [1, () => byAssertion('garbage')],
  [1, () => byAssertion('eyJhbGciOiJFUzI1NiJ9.e30.x')],
  [1, () => byAssertion('')],
  [1, (party, source) => ({ fields: [['client_assertion', makeAssertion(party, source)]] })],
  [1, () => ({ fields: [['client_assertion_type', ASSERTION_TYPE]] })],
  [
    1,
    (party, source) => ({
      fields: [
        ['client_assertion_type', 'urn:unknown'],
        ['client_assertion', makeAssertion(party, source)],
      ],
    }),
  ],
  [
    2,
    (party, source) => both(byAssertion(makeAssertion(party, source)), { fields: [['client_id', party.id]] }),
  ],
  [
    1,
    (party, source) =>
      both(byAssertion(makeAssertion(party, source)), {
        fields: [['client_id', source.random.pick(source.world.parties).id]],
      }),
  ],
  [
    1,
    (party, source) =>
      both(byAssertion(makeAssertion(party, source)), { authorization: basic(`${party.id}:x`) }),
  ],
  [1, (party, source) => both(byAssertion(makeAssertion(party, source)), inBody(party.id, 'x'))],
];
