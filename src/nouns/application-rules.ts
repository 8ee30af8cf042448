/** Rules between the fields of an application: each field may be right by itself, and still not fit the others. */
import { isSameResource } from '../permissions/resource-identifiers.ts';
import type { AuthMethod, Grant } from './application.ts';
import type { Contradiction } from './in-file.ts';
import { hasOwnScheme, isOnDevice, needsPkce } from './redirect-uris.ts';

/** What a file says, with or without what the store knows beside it. Absent: it is not known, and contradicts nothing. */
interface Said {
  readonly authMethod?: AuthMethod;
  readonly clientSecret?: string | undefined;
  readonly jwks?: object | undefined;
  readonly assertionAudience?: 'issuer' | 'endpoint' | undefined;
  readonly grants?: readonly string[];
  readonly redirectUris?: readonly string[];
  /** Of an application for agents, which have redirect URIs of their own. */
  readonly default?: object | undefined;
  readonly postLogoutRedirectUris?: readonly string[];
  readonly native?: boolean;
  readonly firstParty?: boolean;
  readonly pkce?: 'required' | 'optional';
  readonly introspects?: readonly string[];
  readonly resource?: string;
  /** By the identifiers of further resources. */
  readonly resources?: object | undefined;
}

type Finding = [key: string, isWrong: unknown, message: string];

/** Grants of applications that authenticate, and why where a standard says so. */
const OF_AUTHENTICATED = {
  client_credentials: ' (RFC 6749 section 4.4)',
  token_exchange: '',
  identity_assertion: '',
} satisfies Partial<Record<Grant, string>>;

export function findApplicationProblems(application: Said): Contradiction[] {
  const { authMethod, grants = [], redirectUris, resource, native } = application;
  const isPublic = authMethod === 'none';
  const usesKeys = authMethod === 'private_key_jwt';
  const needsKeys = authMethod !== undefined && !usesKeys;
  const isOptional = application.pkce === 'optional';
  const isUnfit = `cannot be used with the authMethod ${authMethod}`;
  const wrong: Finding[] = [
    ['clientSecret', application.clientSecret !== undefined && (isPublic || usesKeys), isUnfit],
    ['jwks', application.jwks && needsKeys, isUnfit],
    ['assertionAudience', application.assertionAudience === 'endpoint' && needsKeys, isUnfit],
    ...Object.entries(OF_AUTHENTICATED).map(([grant, because]): Finding => {
      const message = `holds ${grant}, which needs an authMethod other than none${because}`;
      return ['grants', isPublic && grants.includes(grant), message];
    }),
    [
      'firstParty',
      application.firstParty && redirectUris?.some(isOnDevice),
      'is true, but a redirect URI is on this machine with http or has a scheme of its own, where another program may answer in its place',
    ],
    [
      'pkce',
      isOptional && isPublic,
      'is optional, which needs an authMethod other than none: PKCE is all that protects the code of a public application',
    ],
    [
      'pkce',
      isOptional && redirectUris?.length !== 0 && redirectUris?.every((uri) => needsPkce(application, uri)),
      'is optional, but the application is native and each redirect URI is on this machine or has a scheme of its own, where PKCE is always required',
    ],
    [
      'introspects',
      isPublic && application.introspects?.length,
      'needs an authMethod other than none: a public application cannot introspect',
    ],
    [
      'redirectUris',
      redirectUris?.length === 0 && grants.includes('authorization_code') && !application.default,
      'is empty, but authorization_code needs one, unless the application is for agents and has a default',
    ],
    [
      'resources',
      resource !== undefined &&
        Object.keys(application.resources ?? {}).some((other) => isSameResource(other, resource)),
      `lists ${resource}, which is its own resource: its ceiling there is permissions`,
    ],
  ];
  const ofNatives = (['redirectUris', 'postLogoutRedirectUris'] as const).flatMap((key) =>
    [...(application[key] ?? []).entries()].flatMap(([index, uri]) =>
      native || !hasOwnScheme(uri) ? [] : [[key, index]],
    ),
  );
  return [
    ...wrong.flatMap(([key, isWrong, message]) => (isWrong ? [{ path: [key], message }] : [])),
    ...ofNatives.map((path) => ({ path, message: 'has a scheme of its own, which needs native: true' })),
  ];
}
