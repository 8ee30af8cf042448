/**
 * Recordings: what clients of an older token API send and what its server answers, one scenario a file in the folder
 * of the face. This file: what may stand in one, and reading them. Whatever is not known here is an error.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { inspectPlaceholders } from './matching.ts';

/** Lines of a text, or all of it. */
const text = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((value) => [value].flat().join('\n'));

const request = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']),
  path: z.string().startsWith('/'),
  /** `name:password` of HTTP Basic, as after curl's `-u`. */
  user: z.string().includes(':').exactOptional(),
  /** Exactly these are sent, with `Host` and `Content-Length` where they are not among them. */
  headers: z.record(z.string(), z.string()).default({}),
  body: text.exactOptional(),
});

const response = z.strictObject({
  /** A text for one of several, as in `{{302|303}}`. */
  status: z.union([z.int(), z.string()]),
  /** Those that matter: `null` for one that must not be there, a list for what a list in it must name. */
  headers: z.record(z.string(), z.union([z.string(), z.null(), z.array(z.string())])).default({}),
  /** A text is the whole body as it is; anything else is JSON. */
  body: z.json(),
});

/** What the resource's own server is told of a captured token. */
const introspection = z
  .strictObject({
    token: z.string(),
    /** The client that asks. */
    as: z.string().exactOptional(),
    active: z.boolean(),
    /** By table the first letters of what is allowed. */
    tables: z.record(z.string(), z.string()).exactOptional(),
    isAdmin: z.boolean().exactOptional(),
    scopes: z.array(z.string()).exactOptional(),
    username: z.string().exactOptional(),
  })
  .refine(({ active, token: _, as: __, ...rest }) => active || Object.keys(rest).length === 0, {
    error: 'expects more of a token that is not active',
  });

const claims = z.strictObject({
  token: z.string(),
  header: z.record(z.string(), z.json()).exactOptional(),
  /** Those that matter, each whole. */
  claims: z.record(z.string(), z.json()).default({}),
  /** Seconds from `iat` to `exp`. */
  lifetime: z.int().exactOptional(),
  /** What must stand nowhere in it. */
  without: z.array(z.string()).exactOptional(),
});

const actions = {
  request: request.exactOptional(),
  /** Milliseconds by which the server's clock moves on. */
  advance: z.int().positive().exactOptional(),
  /** Reads the line `Token: ...` of the newest mail and captures it. */
  mail: z.strictObject({ to: z.string(), captures: z.string() }).exactOptional(),
  /** Revokes a captured token natively. */
  revoke: z.strictObject({ token: z.string(), as: z.string() }).exactOptional(),
  /** Disables a user of the application `shop`. */
  disable: z.string().exactOptional(),
  /** Changes the settings of a face of the organization while the server runs. */
  settings: z.record(z.string(), z.record(z.string(), z.json())).exactOptional(),
};

const step = z
  .strictObject({
    /** A sentence: what is seen. */
    name: z.string().regex(/\S \S/),
    /** Where it is written: section of the contract and mark, or who decided. */
    source: z.string().regex(/^(contract|seed|decided)\b/),
    ...actions,
    response: response.exactOptional(),
    // biome-ignore lint/suspicious/noThenProperty: it is what comes next in the file, and a recording is not awaited
    then: z
      .strictObject({
        introspect: z.array(introspection).exactOptional(),
        jwt: z.array(claims).exactOptional(),
      })
      .exactOptional(),
  })
  .refine((value) => Object.keys(actions).filter((key) => key in value).length === 1, {
    error: 'does not do exactly one thing',
  })
  .refine((value) => 'request' in value === 'response' in value, {
    error: 'has a request without a response, or a response without a request',
  });

const recording = z.strictObject({
  title: z.string().min(1),
  /** Name in the face's `fixture.ts`; `default` if left out. */
  fixture: z.string().default('default'),
  steps: z.array(step).min(1),
});

export type Step = z.output<typeof step>;
export type RecordedRequest = z.output<typeof request>;
export type RecordedResponse = z.output<typeof response>;
export type Claims = z.output<typeof claims>;
export type Introspection = z.output<typeof introspection>;

export interface Recording extends z.output<typeof recording> {
  readonly fileName: string;
}

/** What each step captures is used later, and what it recalls was captured before. */
function findNameProblems({ steps }: z.output<typeof recording>): string[] {
  const problems: string[] = [];
  const unused = new Set<string>();
  const captured = new Set(['issuer']);
  for (const { name, request, response, mail, revoke, then: checks } of steps) {
    // In the order in which they are reached.
    for (const part of [request ?? {}, response ?? {}, checks ?? {}]) {
      const found = inspectPlaceholders(part);
      problems.push(...found.unknown.map((each) => `${name}: there is no ${each}`));
      for (const each of found.captured) {
        captured.add(each);
        unused.add(each);
      }
      for (const each of found.recalled) {
        if (!captured.has(each)) problems.push(`${name}: nothing was captured as ${each} before`);
        unused.delete(each);
      }
    }
    if (mail) {
      captured.add(mail.captures);
      unused.add(mail.captures);
    }
    const tokens = [revoke, ...(checks?.introspect ?? []), ...(checks?.jwt ?? [])].flatMap(
      (each) => each?.token ?? [],
    );
    for (const each of tokens) {
      if (!captured.has(each)) problems.push(`${name}: nothing was captured as ${each} before`);
      unused.delete(each);
    }
  }
  return [...problems, ...[...unused].map((each) => `${each} is captured and never used`)];
}

function parse(fileName: string, content: string): Recording {
  const parsed = recording.safeParse(JSON.parse(content));
  if (!parsed.success) throw new Error(`${fileName}\n${z.prettifyError(parsed.error)}`);
  const problems = findNameProblems(parsed.data);
  if (problems.length > 0) throw new Error([fileName, ...problems].join('\n'));
  return { ...parsed.data, fileName };
}

/** Every file of the folder but `fixture.ts`. @throws Error for a file that is not a recording */
export function loadRecordings(folder: string): Recording[] {
  return readdirSync(folder)
    .filter((name) => name !== 'fixture.ts')
    .sort()
    .map((name) => {
      const path = join(folder, name);
      if (!name.endsWith('.json')) throw new Error(`${path} is no recording`);
      return parse(path, readFileSync(path, 'utf8'));
    });
}
