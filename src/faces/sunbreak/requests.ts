/** The bodies of Sunbreak's requests. Each field has one reading, and what has none is a 400. */
import { z } from 'zod';
import { cut } from '../../errors/texts.ts';
import { Refusal } from '../../http/refusal.ts';
import { PermissionsError } from '../../permissions/errors.ts';
import { isJsonObject } from '../../permissions/json.ts';
import type { Permissions } from '../../permissions/permissions.ts';
import { parsePermissions } from '../../permissions/permissions-json.ts';

const MAX_VISITORS = 100;
/** UTF-16 units of the path to a member that an answer quotes. */
const MAX_PATH = 100;

const text = z.string().min(1).max(1024);
const visitor = z.int().nonnegative();

/** The documents show an array of one object, and a sample that sends the object itself. */
function oneOf<T extends z.ZodType>(item: T) {
  return z.union([z.tuple([item]).transform(([only]) => only), item]);
}

const connect = z.object({
  data: oneOf(z.object({ email: text, password: text, name: z.string().max(200).optional() })),
  context: z.object({ domain: text, isNewUser: z.boolean().default(false) }),
});

const subscription = z.object({
  data: oneOf(z.object({ permissions: z.unknown(), userId: visitor.optional() })),
});

const named = z.object({ userId: visitor });

const visitors = z.object({
  data: z.union([z.array(named).min(1).max(MAX_VISITORS), named.transform((only) => [only])]),
});

/** @throws Refusal 400, naming the field and no value */
function parse<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const { data, error } = schema.safeParse(body);
  if (!error) return data as z.output<T>;
  const path = cut(error.issues[0]?.path.join('.') ?? '', MAX_PATH);
  throw new Refusal(400, path === '' ? 'the body must be a JSON object' : `${path} is missing or ill-typed`);
}

export function parseConnect(body: unknown) {
  const { data, context } = parse(connect, body);
  return { ...data, ...context };
}

/** PHP writes a map without entries as a list. */
const toMap = (value: unknown): unknown => (Array.isArray(value) && value.length === 0 ? {} : value);

function readTables(tables: unknown): unknown {
  const map = toMap(tables);
  if (!isJsonObject(map)) return map;
  return Object.fromEntries(Object.entries(map).map(([table, flags]) => [table, toMap(flags)]));
}

function readPermissions(permissions: unknown): Permissions {
  if (!isJsonObject(permissions) || typeof permissions.isAdmin !== 'boolean') {
    throw new Refusal(400, 'data.permissions is missing or ill-typed');
  }
  const { tables = {} } = permissions;
  try {
    return parsePermissions({ ...permissions, tables: readTables(tables) }, { unknownFlags: 'ignore' });
  } catch (error) {
    if (!(error instanceof PermissionsError)) throw error;
    throw new Refusal(400, `data.permissions will not do: ${error.message}`);
  }
}

/** `visitor`: the site's own number of the visitor that the token is for. */
export function parseSubscription(body: unknown) {
  const { permissions, userId } = parse(subscription, body).data;
  return { permissions: readPermissions(permissions), visitor: userId?.toString() };
}

/** Numbers of those whose sessions end. */
export function parseVisitors(body: unknown): string[] {
  return parse(visitors, body).data.map(({ userId }) => String(userId));
}
