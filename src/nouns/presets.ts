/** Token settings for neighbours: programs of others that verify our access tokens and open a database by their claims. */
import type { WrittenClaims } from './claim-map.ts';
import type { SigningAlg } from './signing-algs.ts';

interface Preset {
  readonly format: 'jwt';
  /** Seconds. */
  readonly ttl: number;
  readonly alg: SigningAlg;
  readonly overflow: 'refuse';
  readonly claimMap: WrittenClaims;
}

/** Neighbours do not ask whether a token has ended, so it dies soon by itself. */
const ttl = 300;

const usual = { format: 'jwt', ttl, alg: 'ES256', overflow: 'refuse' } as const;

const HASURA = 'https://hasura.io/jwt/claims';

export const PRESETS = {
  postgrest: { ...usual, claimMap: { role: 'web_user', user_id: { $user: 'id' } } },
  supabase: { ...usual, claimMap: { role: 'authenticated', user_id: { $user: 'id' } } },
  hasura: {
    ...usual,
    claimMap: {
      [HASURA]: {
        'x-hasura-allowed-roles': ['user'],
        'x-hasura-default-role': 'user',
        'x-hasura-user-id': { $user: 'id' },
      },
    },
  },
  neon: { ...usual, claimMap: { role: 'authenticated', user_id: { $user: 'id' } } },
} as const satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as [PresetName, ...PresetName[]];

/** What a neighbour needs of the tokens and keys that it is given. */
interface Needs {
  /** Paths of members that each token must have. */
  readonly claims: readonly (readonly string[])[];
  /** Paths of the lists of roles that a request may name, and of the one that it has otherwise. */
  readonly roles?: { readonly allowed: readonly string[]; readonly byDefault: readonly string[] };
  readonly algs: readonly SigningAlg[];
  /** Seconds that it may go on with the keys that it has: a new key must be published longer before it signs. */
  readonly keysKept: number;
}

const ALLOWED_ROLES = [HASURA, 'x-hasura-allowed-roles'];
const DEFAULT_ROLE = [HASURA, 'x-hasura-default-role'];

const MINUTE = 60;
const WELL_KNOWN: readonly SigningAlg[] = ['ES256', 'RS256'];

export const NEEDS: Readonly<Record<PresetName, Needs>> = {
  postgrest: {
    claims: [['role']],
    algs: ['ES256', 'RS256', 'PS256', 'EdDSA'],
    keysKept: 5 * MINUTE,
  },
  supabase: { claims: [['role']], algs: WELL_KNOWN, keysKept: 30 * MINUTE },
  hasura: {
    claims: [ALLOWED_ROLES, DEFAULT_ROLE],
    roles: { allowed: ALLOWED_ROLES, byDefault: DEFAULT_ROLE },
    algs: ['ES256', 'RS256', 'EdDSA'],
    keysKept: 5 * MINUTE,
  },
  // It does not say how long it keeps keys.
  neon: { claims: [['role']], algs: WELL_KNOWN, keysKept: 30 * MINUTE },
};
