/** Resources: what tokens are for, their tables, scopes and token settings. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { spellCount } from '../errors/texts.ts';
import type { Catalogue } from '../permissions/catalogue.ts';
import { COLUMN_TYPES } from '../permissions/column-types.ts';
import { canonicalIdentifier } from '../permissions/resource-identifiers.ts';
import { RIGHTS_CLAIMS } from '../permissions/token-claims.ts';
import { claimMap, storedClaims, toStoredClaims, toWrittenClaims } from './claim-map.ts';
import { type FileValue, spelled } from './in-file.ts';
import { defineNoun, field, forPeople, type NounOf, ofOrganization, type ServerSettings } from './noun.ts';
import { PRESET_NAMES, PRESETS } from './presets.ts';
import { ACCESS_TOKEN_ALG, accessTokenAlgs, algsBefore } from './signing-algs.ts';
import {
  catalogueTable,
  channel,
  columnName,
  description,
  identifier,
  line,
  listOf,
  resourceScope,
  signingAlg,
  slug,
  tableGroup,
} from './values.ts';

export type TokenOverflow = 'refuse' | 'reference';

/** Default of a new resource: an application with many tables gets a token without asking for less. */
export const TOKEN_OVERFLOW = 'reference' satisfies TokenOverflow;

/** Of one table. */
export const MAX_COLUMNS = 1000;
const MAX_GROUPS = 1000;

const column = z.strictObject({
  name: columnName.describe('The name of the column in the database.'),
  type: z.enum(COLUMN_TYPES).describe('How its values are compared.'),
});

const table = z.strictObject({
  id: catalogueTable.describe(
    'The name of the table in tokens and permissions. It must not be `*` and must not begin with `@`.',
  ),
  name: line.describe('For people; its id if left out.'),
  description: description.exactOptional().describe('For people: what is in it.'),
  columns: listOf(column, ({ name }) => name)
    .max(MAX_COLUMNS)
    .exactOptional()
    .describe(
      `Columns that permissions may be limited to, at most ${spellCount(MAX_COLUMNS)}. A table without columns cannot have limits.`,
    ),
  rowColumns: listOf(columnName)
    .exactOptional()
    .describe(
      'Those of its columns by whose values permissions are usually limited to rows, such as `customer_id`. The database should have an index on each.',
    ),
});

type StoredTable = z.output<typeof table>;

const tableInFile = table.extend({ name: table.shape.name.exactOptional() });

/** What a table has and the file does not speak of stays. */
function tablesFromFile({
  said,
  before = [],
}: FileValue<z.output<typeof tableInFile>[], readonly StoredTable[]>): StoredTable[] {
  const known = new Map(before.map((each) => [each.id, each]));
  return said.map((entry) => {
    const { columns = [], rowColumns = [], ...others } = { name: entry.id, ...known.get(entry.id), ...entry };
    return {
      ...others,
      ...(columns.length > 0 && { columns }),
      ...(rowColumns.length > 0 && { rowColumns }),
    };
  });
}

/** What tokens can be told apart by: the rest is for people and for the database. */
function tablesOfRights(tables: readonly StoredTable[] = []): unknown {
  return tables.map(({ id, columns }) => ({ id, columns }));
}

/** The columns of each table stand for themselves. */
function tablesInReports(tables: readonly StoredTable[]): Record<string, unknown> {
  const texts = tables.map(({ id, name, description }) =>
    [id, name !== id && ` (${name})`, description && `: ${description}`].filter(Boolean).join(''),
  );
  const columns = tables.flatMap(({ id, columns = [], rowColumns }): [string, unknown][] => [
    [`tables.${id}.columns`, columns.map(({ name, type }) => `${name}: ${type}`).join(', ') || undefined],
    [`tables.${id}.rowColumns`, rowColumns],
  ]);
  return { tables: texts, ...Object.fromEntries(columns) };
}

const group = z.strictObject({
  id: tableGroup.describe('The name of the group. Permissions name the group `sales` as `@sales`.'),
  tables: listOf(catalogueTable).describe('Ids of its tables. A closed catalogue must list them.'),
});

type StoredGroup = z.output<typeof group>;

const databaseName = z.string().min(1).max(128).meta({ shape: 'text' });

const importedFrom = z.strictObject({
  datasource: slug.describe('The name of the datasource, which is of the same organization.'),
  database: databaseName.describe('The database; `main` for SQLite.'),
  schemas: listOf(databaseName).describe(
    'Schemas of PostgreSQL, databases of MySQL, and nothing of others. Tables of the first one have their names as ids, those of others `schema.table`.',
  ),
});

const token = z.strictObject({
  format: z.enum(['jwt', 'opaque']).describe('The format of access tokens. A new resource has `jwt`.'),
  ttl: z
    .int()
    .min(10)
    .max(7 * 86_400)
    .describe('Seconds that access tokens live. A new resource has `GRANTABLE_ACCESS_TOKEN_TTL`.'),
  alg: signingAlg.describe(
    `The algorithm that signs its JWTs. A new resource has \`${ACCESS_TOKEN_ALG}\`. If the server does not have a key for it yet, it signs with the earlier algorithm for five minutes.`,
  ),
  typ: z
    .literal('JWT')
    .exactOptional()
    .describe(
      'The type (`typ`) in the header of JWTs. A new resource has `at+jwt` (RFC 9068). `JWT` is for verifiers that accept only that type. Then a `clientId` must not equal the identifier, or an ID token could pass for an access token.',
    ),
  overflow: z
    .enum(['reference', 'refuse'])
    .describe(
      `What happens when permissions are too large for a JWT: \`reference\` gives an opaque token, which the resource server introspects; \`refuse\` refuses the request. A new resource has \`${TOKEN_OVERFLOW}\`.`,
    ),
  claims: listOf(z.enum(RIGHTS_CLAIMS))
    .min(1)
    .exactOptional()
    .describe('The claims of its JWTs that carry permissions. A new resource has both.'),
  preset: z
    .enum(PRESET_NAMES)
    .exactOptional()
    .describe(
      'The neighbour that reads its tokens. It sets `format`, `ttl`, `alg`, `overflow` and `claimMap` as the page of its name in `docs/guides` says; what the file says beside it wins. A new resource has `none`.',
    ),
  claimMap: storedClaims
    .exactOptional()
    .describe(
      'Further claims of its access tokens, for neighbours; see [Claims for neighbours](#claims-for-neighbours). A new resource has none.',
    ),
  algsBefore: z
    .array(signingAlg)
    .exactOptional()
    .describe(
      'Algorithms that sign until the key of `alg` may, the latest first; absent: there was no earlier one.',
    ),
});

type Token = z.output<typeof token>;

const tokenInFile = z.strictObject({
  format: token.shape.format.exactOptional(),
  ttl: token.shape.ttl.exactOptional(),
  alg: token.shape.alg.exactOptional(),
  typ: spelled(z.enum(['at+jwt', 'JWT']), token.shape.typ),
  overflow: token.shape.overflow.exactOptional(),
  claims: token.shape.claims,
  preset: spelled(z.enum(['none', ...PRESET_NAMES]), token.shape.preset),
  claimMap: spelled(claimMap, token.shape.claimMap),
});

type TokenInFile = z.output<typeof tokenInFile>;

/** A preset says what the file does not say beside it, each time. */
function withPreset(said: TokenInFile): TokenInFile {
  const { preset = 'none' } = said;
  return preset === 'none' ? said : { ...PRESETS[preset], ...said };
}

function tokenFromFile({ said, before, initial }: FileValue<TokenInFile, Token>): Token {
  const { preset, claimMap: written, ...wanted } = withPreset(said);
  const { typ, claims = RIGHTS_CLAIMS, algsBefore: _, ...kept } = { ...initial, ...before, ...wanted };
  const { preset: presetBefore, claimMap: mappedBefore, ...settings } = kept;
  const wantedPreset = preset ?? presetBefore ?? 'none';
  const mapped = written ? toStoredClaims(written) : (mappedBefore ?? []);
  const earlier = before && algsBefore(settings.alg, [before.alg, ...(before.algsBefore ?? [])]);
  return {
    ...settings,
    ...(typ === 'JWT' && { typ }),
    ...(claims.length < RIGHTS_CLAIMS.length && { claims: [...claims] }),
    ...(wantedPreset !== 'none' && { preset: wantedPreset }),
    ...(mapped.length > 0 && { claimMap: [...mapped] }),
    ...(earlier && { algsBefore: [...earlier] }),
  };
}

/** What signs meanwhile follows from the change of `alg`. */
function tokenInFileOf({ algsBefore: _, claimMap: mapped = [], ...settings }: Token) {
  const usual = { typ: 'at+jwt', claims: RIGHTS_CLAIMS, preset: 'none' };
  return { ...usual, ...settings, claimMap: toWrittenClaims(mapped) };
}

/** Each mapped claim stands for itself. */
function tokenInReports(token: Token): Record<string, unknown> {
  const { claimMap: mapped, ...settings } = tokenInFileOf(token);
  const named = (prefix: string, values: object) =>
    Object.entries(values).map(([name, value]): [string, unknown] => [`${prefix}.${name}`, value]);
  return Object.fromEntries([...named('token', settings), ...named('token.claimMap', mapped)]);
}

/**
 * @param noun has a token where it is written into a file: what its preset says is left out there. Mapped claims stand together,
 *   so all or none of them are left out.
 */
function tokenOfNew({ token: kept }: { readonly token?: Token }, { accessTokenTtl }: ServerSettings): Token {
  const usual: Token = {
    format: 'jwt',
    ttl: accessTokenTtl,
    alg: ACCESS_TOKEN_ALG,
    overflow: TOKEN_OVERFLOW,
  };
  if (!kept?.preset) return usual;
  const { claimMap: written, ...settings } = PRESETS[kept.preset];
  const mapped = toStoredClaims(written);
  const isAsPreset = !kept.claimMap || isDeepStrictEqual(kept.claimMap, mapped);
  return { ...usual, ...settings, ...(isAsPreset && { claimMap: [...mapped] }) };
}

export const resource = defineNoun({
  singular: 'resource',
  describe: 'Something that tokens are for: an API or a database with its tables.',
  fields: {
    organization: ofOrganization,
    identifier: field(identifier, {
      effect: 'none',
      fixed: true,
      describe:
        'The name of the resource in requests (RFC 8707) and the `aud` of its tokens, in the spelling in which it was first applied. Unique on the server; `https://host` and `https://host/` are the same.',
    }),
    name: field(line, {
      effect: 'none',
      initially: (noun: { identifier: string }) => noun.identifier,
      describe: 'For people; its identifier if left out.',
    }),
    description: forPeople.description,
    enabled: field(z.boolean(), {
      effect: 'ends',
      initially: true,
      describe: '`false`: no tokens for it, and its tokens end.',
    }),
    catalogue: field(z.enum(['closed', 'open']), {
      effect: 'narrows',
      initially: 'closed',
      describe:
        '`closed`: only the listed tables exist. `open`: only the resource server knows which tables exist. A new resource has `closed`.',
    }),
    tables: field(
      listOf(table, ({ id }) => id),
      {
        effect: tablesOfRights,
        initially: [],
        inFile: {
          schema: listOf(tableInFile, ({ id }) => id).exactOptional(),
          fromFile: tablesFromFile,
          toFile: (tables: readonly StoredTable[]) =>
            tables.map(({ id, name, ...others }) => ({ id, ...(name !== id && { name }), ...others })),
          shown: tablesInReports,
        },
        describe: 'All its tables; living tokens lose a table that is missing here.',
      },
    ),
    groups: field(
      listOf(group, ({ id }) => id)
        .max(MAX_GROUPS)
        .exactOptional(),
      {
        effect: 'narrows',
        inFile: {
          fromFile: ({ said }: { readonly said: StoredGroup[] }) => (said.length > 0 ? said : undefined),
          shown: (groups: readonly StoredGroup[] = []) =>
            Object.fromEntries(groups.map(({ id, tables }) => [`groups.${id}`, tables])),
        },
        describe: `All its groups of tables, at most ${spellCount(MAX_GROUPS)}. Permissions on a group are permissions on each of its tables.`,
      },
    ),
    importedFrom: field(importedFrom.exactOptional(), {
      effect: 'none',
      describe:
        'Where `resource import` read the tables and reads them again. `doctor` warns when the tables there are others.',
    }),
    scopes: field(listOf(resourceScope), {
      effect: 'narrows',
      initially: [],
      describe:
        'Scopes beside the permissions on tables. A scope that reads as one of its tables, such as `orders:read`, is refused.',
    }),
    scopeTexts: field(
      z
        .record(
          resourceScope,
          z.strictObject({
            displayName: line.exactOptional().describe('What the consent page shows.'),
            description: description.exactOptional().describe('What it is for.'),
          }),
        )
        .exactOptional(),
      {
        effect: 'none',
        describe: 'Scopes for people: a `displayName` and a `description` of each.',
      },
    ),
    token: field(token, {
      effect: 'none',
      initially: tokenOfNew,
      inFile: {
        schema: tokenInFile.exactOptional(),
        fromFile: tokenFromFile,
        toFile: tokenInFileOf,
        shown: tokenInReports,
      },
      describe: 'Settings of its access tokens.',
    }),
    channel: field(channel.exactOptional(), {
      effect: 'none',
      describe:
        'The name of the channel on which changes of its data are announced; unique in the organization. Answers to exchanges contain it.',
    }),
    registeredBy: field(z.string().exactOptional(), {
      effect: 'none',
      fixed: true,
      refersTo: 'application',
      inFile: false,
      describe: 'Id of the application that it was registered through.',
    }),
    owner: field(z.string().exactOptional(), {
      effect: 'narrows',
      refersTo: 'user',
      inFile: false,
      describe: 'Id of the user who registered it and is its admin.',
    }),
  },
  unique: {
    identifier: (noun) => noun.identifier,
    // Stored resources from before this key lack it: a change of them adds it.
    canonicalIdentifier: (noun) => canonicalIdentifier(noun.identifier),
    channel: (noun) => (noun.channel === undefined ? undefined : `${noun.organization}/${noun.channel}`),
  },
  listed: {
    algs: (noun) => accessTokenAlgs(noun.token).join(' '),
    registeredBy: ({ registeredBy }) => registeredBy,
    owner: ({ owner }) => owner,
  },
});

export interface Resource extends NounOf<typeof resource> {}

export type Table = Resource['tables'][number];

/** What of a resource its catalogue follows from. */
interface Listing {
  readonly catalogue: Resource['catalogue'];
  readonly tables: readonly (Pick<Table, 'id'> & Partial<Pick<Table, 'columns'>>)[];
  readonly groups?: Resource['groups'];
}

const catalogues = new WeakMap<Listing['tables'], { readonly of: Listing; readonly catalogue: Catalogue }>();

/** The tables and groups as permissions know them; the same object as long as they stay the same. */
export function catalogueOf(of: Listing): Catalogue {
  const known = catalogues.get(of.tables);
  if (known?.of.catalogue === of.catalogue && known.of.groups === of.groups) return known.catalogue;
  const catalogue: Catalogue = {
    isOpen: of.catalogue === 'open',
    tables: new Map(
      of.tables.map(({ id, columns = [] }) => [id, new Map(columns.map(({ name, type }) => [name, type]))]),
    ),
    groups: new Map((of.groups ?? []).map(({ id, tables }) => [id, tables])),
  };
  catalogues.set(of.tables, { of, catalogue });
  return catalogue;
}
