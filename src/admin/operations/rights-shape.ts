/** Permissions in answers: as people write them in an apply file, and in words. */
import { z } from 'zod';
import { toActions } from '../../permissions/actions.ts';
import { describeLimit } from '../../permissions/limit-texts.ts';
import { type Permissions, rightsOf } from '../../permissions/permissions.ts';
import { toWritten } from '../../permissions/permissions-json.ts';

const limit = z.strictObject({
  rows: z.record(z.string(), z.array(z.string())).exactOptional().describe('Values by column.'),
  columns: z.array(z.string()).exactOptional(),
});

const flag = z.union([z.boolean(), limit, z.array(limit)]);

export const permissionsShape = z
  .strictObject({
    isAdmin: z.literal(true).exactOptional(),
    tables: z
      .record(
        z.string(),
        z.strictObject({
          create: flag.exactOptional(),
          read: flag.exactOptional(),
          update: flag.exactOptional(),
          delete: flag.exactOptional(),
        }),
      )
      .exactOptional(),
  })
  .describe('As an apply file has them: tables, actions, and limits of rows and columns.');

export const wordsShape = z.array(z.string()).describe('The same in words, a line for each right.');

/** Lines that one answer has. */
const MOST_LINES = 500;
/** Of one condition; the rest are counted. */
const MOST_VALUES = 10;

export function toWords(permissions: Permissions): string[] {
  if (permissions.isAdmin) return ['admin: everything of the resource'];
  const lines = [...rightsOf(permissions)].map(([table, mask, alternative]) => {
    const limited = alternative && !alternative.isUnlimited;
    return `${table}: ${toActions(mask).join(', ')}${limited ? `, ${describeLimit(alternative, MOST_VALUES)}` : ''}`;
  });
  const hidden = lines.length - MOST_LINES;
  return hidden > 0 ? [...lines.slice(0, MOST_LINES), `and ${hidden} more`] : lines;
}

type Shape = z.input<typeof permissionsShape>;

export function toShape(permissions: Permissions): Shape {
  return toWritten(permissions) as Shape;
}
