/** The table of a run. */
export interface Line {
  readonly what: string;
  readonly ours: string;
  /** Over the other store. */
  readonly beside?: string;
  readonly against: string;
  /** Processor time of what does only what must be done. */
  readonly floor?: string;
  readonly ratio?: number;
  readonly mark: string;
  readonly reached: boolean;
}

/** @param other the store of the further column, if there is one */
export function print(lines: readonly Line[], other: string | undefined): void {
  const row = (cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`);
  const column = (cell: string): string[] => (other === undefined ? [] : [cell]);
  const head = [
    'what',
    'Grantable',
    ...column(`on ${other}`),
    'against',
    'floor',
    'ratio',
    'mark',
    'reached',
  ];
  console.log();
  row(head);
  row(head.map(() => '---'));
  for (const { what, ours, beside, against, floor, ratio, mark, reached } of lines) {
    const isReached = mark === '' ? '' : reached ? 'yes' : 'no';
    row([
      what,
      ours,
      ...column(beside ?? ''),
      against,
      floor ?? '',
      ratio?.toFixed(2) ?? '',
      mark,
      isReached,
    ]);
  }
}
