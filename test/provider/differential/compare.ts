/**
 * Whether two answers say the same. What is random in them (ids, tokens) may differ, but must pair up: one value of one
 * server always stands where the same value of the other stands. JWTs are compared by what they say.
 */

/** A JWT, one of our tokens, a UUID, or an id of 16 or 32 bytes. */
const RANDOM =
  /eyJ[\w-]+\.[\w-]+\.[\w-]*|\bg[a-z]t_[\w-]{8,}|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|(?<![\w-])(?:[\w-]{43}|[\w-]{22})(?![\w-])/g;

export interface Difference {
  readonly where: string;
  readonly shipped: unknown;
  readonly engine: unknown;
}

export class Pairs {
  readonly #engineOf = new Map<string, string>();
  readonly #shippedOf = new Map<string, string>();

  /** The engine's value for one of the shipped server's. */
  find(shipped: string): string | undefined {
    return this.#engineOf.get(shipped);
  }

  /** A text of the shipped server's as the engine's would be. */
  translate(shipped: string): string {
    return shipped.replaceAll(RANDOM, (value) => this.find(value) ?? value);
  }

  /** @returns whether they may stand for each other */
  pair(shipped: string, engine: string): boolean {
    const [knownEngine, knownShipped] = [this.#engineOf.get(shipped), this.#shippedOf.get(engine)];
    if (knownEngine !== undefined || knownShipped !== undefined)
      return knownEngine === engine && knownShipped === shipped;
    this.#engineOf.set(shipped, engine);
    this.#shippedOf.set(engine, shipped);
    return true;
  }
}

export function compare(shipped: unknown, engine: unknown, pairs: Pairs, where: string): Difference[] {
  if (Object.is(shipped, engine)) return [];
  if (typeof shipped === 'string' && typeof engine === 'string')
    return compareTexts(shipped, engine, pairs, where);
  if (isObject(shipped) && isObject(engine) && Array.isArray(shipped) === Array.isArray(engine)) {
    const names = new Set([...Object.keys(shipped), ...Object.keys(engine)]);
    return [...names].flatMap((name) => compare(shipped[name], engine[name], pairs, `${where}.${name}`));
  }
  return [{ where, shipped, engine }];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

function compareTexts(shipped: string, engine: string, pairs: Pairs, where: string): Difference[] {
  const [randoms, others] = [shipped.match(RANDOM) ?? [], engine.match(RANDOM) ?? []];
  const same = shipped.replaceAll(RANDOM, '…') === engine.replaceAll(RANDOM, '…');
  if (!same || randoms.length !== others.length) return [{ where, shipped, engine }];
  return randoms.flatMap((one, index) => {
    const other = others[index] as string;
    if (one === other) return [];
    const known = pairs.find(one) !== undefined;
    if (!pairs.pair(one, other)) return [{ where: `${where} (pairs)`, shipped: one, engine: other }];
    if (known || !one.startsWith('eyJ')) return [];
    const read = where.endsWith('.id_token') ? readIdToken : readJwt;
    return compare(read(one), read(other), pairs, `${where} (JWT)`);
  });
}

function readJwt(jwt: string): unknown {
  const [header = '', claims = ''] = jwt.split('.');
  const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
  try {
    return { header: read(header), claims: read(claims) };
  } catch {
    return jwt;
  }
}

/** The engine takes its times from the clock of the machine, which may go on to the next second between two servers. */
function readIdToken(jwt: string): unknown {
  const { header, claims } = readJwt(jwt) as { header: object; claims: Record<string, number> };
  const { iat = 0, exp = 0, ...others } = claims;
  return { header, claims: { ...others, life: exp - iat } };
}
