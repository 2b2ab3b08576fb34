// Finds English sentences that are left in a Japanese page.

const WORD = "[A-Za-z][A-Za-z'’-]+"
const RUN = new RegExp(`${WORD}(?:[ ,]+${WORD}){2,}`, 'g')

/**
 * Runs of three or more English words in `texts`, without `known` names and without `terms` that Japanese text uses as
 * they are. Pure.
 */
export function residue(texts, known, terms) {
  const names = [...known].filter((name) => name.length > 1).sort((a, b) => b.length - a.length)
  const found = new Set()
  for (const text of texts) {
    let rest = text
    for (const name of [...names, ...terms]) rest = rest.split(name).join(' ・ ')
    for (const [run] of rest.matchAll(RUN)) found.add(`${run}   (in: ${text.trim().slice(0, 120)})`)
  }
  return [...found]
}

/**
 * Texts that a person sees or hears of the page: by block, and those of attributes. Left out is what is marked as not
 * translated: `code`, `pre`, `kbd`, `samp`, `lang="en"`, `translate="no"`.
 */
export const collect = (page) =>
  page.evaluate(() => {
    const MARKED = 'code, pre, kbd, samp, [lang="en"], [translate="no"], script, style'
    const blocks = new Map()
    const blockOf = (element) => {
      let at = element
      while (at.parentElement && getComputedStyle(at).display.startsWith('inline')) at = at.parentElement
      return at
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const parent = walker.currentNode.parentElement
      const text = walker.currentNode.textContent
      if (!parent || text.trim() === '' || parent.closest(MARKED) || !parent.checkVisibility()) continue
      const block = blockOf(parent)
      blocks.set(block, [...(blocks.get(block) ?? []), text])
    }
    const attributes = [...document.querySelectorAll('[aria-label], [title], [placeholder], [alt]')]
      .filter((element) => !element.closest(MARKED))
      .flatMap((element) => ['aria-label', 'title', 'placeholder', 'alt'].map((name) => element.getAttribute(name) ?? ''))
    return [...[...blocks.values()].map((parts) => parts.join('')), ...attributes, document.title].filter((text) => text !== '')
  })
