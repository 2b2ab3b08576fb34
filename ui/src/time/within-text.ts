// Points in time that stand within a text, like `exit code 137 at 2026-11-24T03:00:05.123Z`. Pure.

const STAMP = /\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})(?![\w:])/g

/** The text with each of them written by `format`; what is no time stays. */
export function timesWithin(text: string, format: (at: string) => string): string {
  return text.replace(STAMP, (at) => (Number.isNaN(Date.parse(at)) ? at : format(at)))
}
