/** Whether resources with a preset give their neighbours (PostgREST, Supabase, Hasura, Neon) what those need. */
import { eachNoun } from '../directory/collections.ts';
import { JWKS_CACHE_SECONDS } from '../keys/key-plan.ts';
import type { SigningKey, SigningKeys } from '../keys/signing-keys.ts';
import { type ClaimValue, claimsOf } from '../nouns/claim-map.ts';
import type { Resource } from '../nouns/index.ts';
import { NEEDS, PRESETS, type PresetName } from '../nouns/presets.ts';
import { accessTokenAlgs } from '../nouns/signing-algs.ts';
import type { DirectoryStore } from '../storage/contract.ts';

/** What is to be said of one resource. Sentences without full stops. */
interface Fit {
  readonly problems: readonly string[];
  /** Of one without problems. */
  readonly isFit: string;
}

/** Of each enabled resource with a preset. @param now milliseconds */
export async function findNeighbours(
  { resources }: Pick<DirectoryStore, 'resources'>,
  signingKeys: Pick<SigningKeys, 'published'>,
  now: number,
): Promise<Fit[]> {
  const found: Fit[] = [];
  const keys = signingKeys.published();
  for await (const resource of eachNoun<Resource>(resources)) {
    const { preset } = resource.token;
    if (!preset || !resource.enabled) continue;
    const problems = [...findUnfit(resource, preset), ...findSurprises(resource, preset, keys, now)];
    const name = `The resource ${resource.identifier}`;
    found.push({
      problems: problems.map((problem) => `${name} has the preset ${preset}, ${problem}`),
      isFit: `${name} gives ${preset} what it needs${adviceOn(preset)}`,
    });
  }
  return found;
}

function findUnfit(resource: Resource, preset: PresetName): string[] {
  const { token } = resource;
  const { ttl } = PRESETS[preset];
  const { algs, claims } = NEEDS[preset];
  const missing = claims.filter((path) => !findMapped(token, path)).map((path) => path.join(' '));
  return [
    ...(token.format === 'jwt' ? [] : ['which reads JWTs only: set token.format to jwt']),
    ...(token.overflow === 'refuse'
      ? []
      : ['which cannot read the opaque token that overflow gives: set token.overflow to refuse']),
    ...(token.ttl <= ttl
      ? []
      : [
          `which does not ask whether a token has ended, and its tokens live ${token.ttl} s: set token.ttl to ${ttl} at most`,
        ]),
    ...(algs.includes(token.alg)
      ? []
      : [`which does not verify ${token.alg}: set token.alg to ${algs.join(' or ')}`]),
    ...missing.map((name) => `which needs the claim ${name}: add it to token.claimMap`),
    ...(missing.length > 0 ? [] : findOddDefault(resource, preset)),
  ];
}

function findMapped(
  { claimMap = [] }: Resource['token'],
  [claim = '', member]: readonly string[],
): ClaimValue | undefined {
  const value = claimsOf(claimMap).get(claim);
  if (member === undefined) return value;
  return value?.kind === 'group' ? value.members.get(member) : undefined;
}

/** The texts that it may be, or may have in its list. */
function textsOf(value: ClaimValue | undefined): readonly string[] {
  if (value?.kind === 'constant') return [String(value.value)];
  if (value?.kind === 'list') return value.items.flatMap(textsOf);
  return value?.kind === 'choice' ? value.values : [];
}

/** Hasura refuses a token whose default role is not one of its allowed roles. */
function findOddDefault({ token }: Resource, preset: PresetName): string[] {
  const { allowed, byDefault } = NEEDS[preset].roles ?? {};
  if (!allowed || !byDefault) return [];
  const known = textsOf(findMapped(token, allowed));
  const odd = textsOf(findMapped(token, byDefault)).filter((role) => !known.includes(role));
  return odd.map((role) => `which refuses the role ${role} as default: list it in ${allowed.at(-1)} too`);
}

/** Keys that sign before the neighbour is sure to have them. */
function findSurprises(
  { token }: Resource,
  preset: PresetName,
  published: readonly SigningKey[],
  now: number,
): string[] {
  const algs = accessTokenAlgs(token);
  const kept = NEEDS[preset].keysKept * 1000;
  // The first keys of a server surprise no neighbour.
  const first = Math.min(...published.map(({ activeFrom }) => activeFrom));
  return published
    .filter(({ alg, createdAt, activeFrom }) => {
      const known = createdAt + kept;
      return algs.includes(alg) && activeFrom > first && known > now && activeFrom < known;
    })
    .map(({ kid, activeFrom, createdAt }) => {
      const [from, until] = [activeFrom, createdAt + kept].map((time) => new Date(time).toISOString());
      return `which may refuse tokens of the key ${kid} from ${from} until ${until}, because it keeps the keys that it has${adviceOn(preset)}`;
    });
}

function adviceOn(preset: PresetName): string {
  const { keysKept } = NEEDS[preset];
  if (keysKept <= JWKS_CACHE_SECONDS) return '';
  return `: rotate keys with keys rotate --lead ${Math.ceil((keysKept * 1.5) / 60)}m`;
}
