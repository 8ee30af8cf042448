/** Forms that cost a careless parser much. @param bytes of the largest */
export const hostileForms = (bytes: number): readonly string[] => [
  '%'.repeat(bytes),
  '='.repeat(bytes),
  'a=&'.repeat(999),
  '%u0000'.repeat(Math.floor(bytes / 6) - 500),
  '['.repeat(bytes),
];
