/** What a value is made of, without what is said of its contents: for documents, imports and secrets within it. */
import { z } from 'zod';

/** As JSON Schema has it. */
export interface Structure {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  readonly format?: string;
  /** Of numbers. */
  readonly minimum?: number;
  readonly items?: Structure;
  readonly properties?: Readonly<Record<string, Structure>>;
  readonly required?: readonly string[];
  /** `false`: all its members are among `properties`; otherwise the names of others come from outside, and each is so. */
  readonly additionalProperties?: Structure | false;
  /** Of texts in this project. */
  readonly anyOf?: readonly Structure[];
  readonly secret?: true;
}

export function structureOf(value: z.ZodType): Structure {
  return z.toJSONSchema(value) as Structure;
}

/** Names of secret members, at whatever depth. */
export function secretsIn({ items, properties = {} }: Structure): string[] {
  const inner = Object.entries(properties).flatMap(([name, member]) =>
    member.secret ? [name] : secretsIn(member),
  );
  return items ? [...inner, ...secretsIn(items)] : inner;
}

/** Whether names of members come from outside, at whatever depth. */
export function hasForeignNames({ type, items, properties = {}, additionalProperties }: Structure): boolean {
  if (type === 'object' && additionalProperties !== false) return true;
  return [...(items ? [items] : []), ...Object.values(properties)].some(hasForeignNames);
}
