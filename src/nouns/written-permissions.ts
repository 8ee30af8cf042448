/**
 * Permissions as apply files have them. Each part has a schema of its own, so that each mistake has its line and editors know
 * the parts; the whole is then read into the value that the rest of the code works with.
 */
import { z } from 'zod';
import { ACTIONS } from '../permissions/actions.ts';
import { PermissionsError } from '../permissions/errors.ts';
import { isJsonObject } from '../permissions/json.ts';
import {
  findValueProblem,
  MAX_ALTERNATIVES,
  MAX_COLUMNS,
  MAX_CONDITIONS,
  MAX_VALUES,
} from '../permissions/limits-json.ts';
import type { Permissions } from '../permissions/permissions.ts';
import { parsePermissions } from '../permissions/permissions-json.ts';
import { fromStored, type StoredPermissions, toStored } from '../permissions/stored.ts';
import { ALL_TABLES, findTableIdProblem } from '../permissions/table-ids.ts';
import { OF_USER } from '../permissions/variables.ts';
import { columnName, flag, listOf, text } from './values.ts';

/** What has the permissions: that decides which variables their limits may have. */
type Holder = 'ceiling' | 'role' | 'connection';

/** A table, `*` for every table, or `@` and the name of a group, where permissions name it. */
const tableId = text('text', (value) => findTableIdProblem(value));

const ofUser = z
  .string()
  .regex(OF_USER, 'must be id, email or attributes.<name>: people can change what else they have')
  .exactOptional()
  .describe('Of the user: `id`, `email` (while it is verified) or `attributes.<name>`.');

const ofAccount = columnName
  .exactOptional()
  .describe('Of the row of a database account: a column that its user table copies into `claims`.');

const ofApplication = z
  .string()
  .regex(/^id$/, 'must be id')
  .exactOptional()
  .describe('`id`: of the application in whose ceiling it stands.');

const notOfApplication = z
  .custom<never>(() => false, 'may stand in the ceilings of applications only')
  .exactOptional()
  .describe('In the ceilings of applications only.');

/** Beside a mistyped key there is no second complaint. */
const isReadable = ({ issues }: { readonly issues: readonly unknown[] }): boolean => issues.length === 0;

const variable = (holder: Holder) =>
  z
    .strictObject({
      $user: ofUser,
      $account: ofAccount,
      $application: holder === 'ceiling' ? ofApplication : notOfApplication,
    })
    .refine((sources) => Object.keys(sources).length === 1, {
      message: 'must have one of $user, $account and $application',
      when: isReadable,
    })
    .describe('A value that is known when rights are computed. A variable without a value gives nothing.');

const literals = [text('text', findValueProblem), z.int(), z.boolean()] as const;

function findTypeProblem(value: unknown, holder: Holder): string {
  // 1.50 and 1.5 are one number to YAML, and two texts.
  if (typeof value === 'number') return 'is a number with a fraction: write it in quotes';
  if (holder !== 'connection') return 'must be text, a whole number, true, false or a variable';
  return isJsonObject(value)
    ? 'must not be a variable: variables may stand in ceilings and roles only'
    : 'must be text, a whole number, true or false';
}

function limit(holder: Holder) {
  const error = ({ input }: { readonly input?: unknown }) => findTypeProblem(input, holder);
  const value =
    holder === 'connection'
      ? z.union(literals, { error })
      : z.union([...literals, variable(holder)], { error });
  const values = listOf(value, (each) => JSON.stringify(typeof each === 'object' ? each : String(each)));
  return z
    .strictObject({
      columns: listOf(columnName)
        .min(1)
        .max(MAX_COLUMNS)
        .exactOptional()
        .describe('The columns that are allowed. All columns if left out.'),
      rows: z
        .record(columnName, values.min(1).max(MAX_VALUES))
        .superRefine((rows, context) => {
          const count = Object.keys(rows).length;
          const message =
            count === 0
              ? 'is empty: leave it out to mean all rows'
              : count > MAX_CONDITIONS && `has more than ${MAX_CONDITIONS} columns`;
          if (message) context.addIssue({ code: 'custom', message });
        })
        .exactOptional()
        .describe(
          'The rows that are allowed: columns, and the values of which each must have one. All rows if left out.',
        ),
    })
    .refine(({ columns, rows }) => columns !== undefined || rows !== undefined, {
      message: 'is empty: write true to allow all rows and columns',
      when: isReadable,
    })
    .meta({ id: `limitIn${holder.charAt(0).toUpperCase()}${holder.slice(1)}` })
    .describe('What an action is limited to.');
}

function tablesWith(holder: Holder) {
  const one = limit(holder);
  const right = z
    .union([z.boolean(), one, z.array(one).min(1).max(MAX_ALTERNATIVES)], {
      error: 'must be true, false, a limit or a list of limits',
    })
    .exactOptional();
  const actions = z.strictObject({ create: right, read: right, update: right, delete: right });
  return z.record(tableId, actions).superRefine((tables, context) => {
    for (const { path, message } of findVain(tables)) context.addIssue({ code: 'custom', path, message });
  });
}

type Written = z.output<ReturnType<typeof tablesWith>>;

/** Rights that are right by themselves, and cannot be beside or below what they name. */
function findVain(tables: Written): { path: string[]; message: string }[] {
  const everywhere = Object.hasOwn(tables, ALL_TABLES) ? tables[ALL_TABLES] : undefined;
  return Object.entries(tables).flatMap(([id, actions]) =>
    ACTIONS.flatMap((action) => {
      const right = actions[action];
      const path = [id, action];
      if (right === undefined || right === true) return [];
      if (id !== ALL_TABLES && everywhere?.[action] === true)
        return [{ path, message: 'takes nothing away from *: name the tables, or a group' }];
      if (right === false) return [];
      if (id === ALL_TABLES)
        return [{ path, message: 'cannot be limited for *: its tables have no columns in common' }];
      if (action !== 'delete') return [];
      return [right].flat().flatMap(({ columns }, index) =>
        columns
          ? [
              {
                path: [...path, ...(Array.isArray(right) ? [String(index)] : []), 'columns'],
                message: 'cannot limit delete: a row is deleted whole',
              },
            ]
          : [],
      );
    }),
  );
}

const permissionsOf = (holder: Holder) =>
  z
    .strictObject({ isAdmin: flag, tables: tablesWith(holder).exactOptional() })
    .transform((json, context) => {
      if (!isReadable(context)) return z.NEVER;
      try {
        return parsePermissions(json, { unknownFlags: 'refuse', limits: { variables: 'allow' } });
      } catch (error) {
        if (!(error instanceof PermissionsError)) throw error;
        context.addIssue({ code: 'custom', message: `is not valid: ${error.message}` });
        return z.NEVER;
      }
    })
    .meta({ shape: 'permissions' });

export const permissionsOfCeiling = permissionsOf('ceiling');

/** How nouns that keep permissions have them in an apply file. */
const inFile = (holder: Holder, schema = permissionsOf(holder)) => ({
  schema: schema.exactOptional(),
  fromFile: ({ said }: { readonly said: Permissions }) => toStored(said),
  toFile: (stored: StoredPermissions | undefined) => stored && fromStored(stored),
});

export const permissionsOfDefault = inFile('ceiling', permissionsOfCeiling);
export const permissionsOfRole = inFile('role');
export const permissionsOfConnection = inFile('connection');
