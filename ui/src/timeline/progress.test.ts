import { expect, test } from 'vitest'
import { caughtUp, loaded, missing, owes, pushed, START, type Progress } from './progress'

type Step = (of: Progress, asked: Progress) => Progress
const push = (...seqs: number[]): Step => (of) => pushed(of, seqs)
const miss: Step = missing
const answer = (...seqs: number[]): Step => (of, asked) => caughtUp(of, asked, seqs)
const load = (...seqs: number[]): Step => (of, asked) => loaded(of, asked, seqs)
/** Marks where the question of the next answer was sent. */
const ask: Step = (of) => of

/** Follows the steps; an answer belongs to the last `ask` before it. */
function after(steps: readonly Step[]): string {
  let [of, asked] = [START, START]
  for (const step of steps) {
    of = step(of, asked)
    if (step === ask) asked = of
  }
  return `${of.upTo}${owes(of) ? ' owes' : ''}`
}

test.each<[string, Step[], string]>([
  ['pushes on an unbroken stream lead on', [ask, load(1, 2, 3), push(4), push(5, 6)], '6'],
  ['an empty past', [ask, load(), push(9)], '9'],
  ['unsaved changes have no number', [ask, load(1, 2), push(0, 0)], '2'],
  ['a failed answer: what is pushed meanwhile does not hide what was missed', [ask, load(1, 2), miss, ask, push(8), push(9)], '2 owes'],
  ['the next answer tells it, and pushes lead on again', [ask, load(1, 2), miss, ask, push(8), ask, answer(3, 4, 8), push(9)], '9'],
  ['an answer without anything new', [ask, load(1, 2), miss, ask, answer(), push(3)], '3'],
  ['missed again after the question was sent: one more is due', [ask, load(1), miss, ask, miss, push(7), answer(2, 3)], '3 owes'],
  ['missed while the whole was under way', [ask, miss, load(1, 2), push(5)], '2 owes'],
  ['the whole, asked for after it, tells it too', [miss, ask, load(1, 2), push(5)], '5'],
  ['an older part of the past begins anew', [ask, load(50, 60), ask, load(1, 2)], '2'],
])('%s', (_, steps, want) => expect(after(steps)).toBe(want))
