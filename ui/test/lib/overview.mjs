// The Overview as a person reads it.

/** The row of a workload or host among what is broken now. */
export const rowOf = (page, name) => page.locator('section.now li', { has: page.locator(`a[data-row]:text-is("${name}")`) }).first()

/** The link in it that opens the finding. */
export const linkOf = (page, name) => page.locator(`section.now li a[data-row]:text-is("${name}")`).first()

/** Begins to note, in the page, when each row first stood there at each level. */
export const watchRows = (page) =>
  page.evaluate(() => {
    const seen = {}
    window.hinomiSeen = seen
    const look = () => {
      for (const link of document.querySelectorAll('section.now li a[data-row]')) {
        const level = ['alert', 'notice', 'none'].find((one) => link.closest('li').classList.contains(one))
        const name = link.textContent.trim()
        seen[name] ??= {}
        seen[name].any ??= Date.now()
        seen[name][level] ??= Date.now()
      }
    }
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['class'] })
    look()
  })

/** What was noted: by name, `any` and each level, milliseconds since the epoch. */
export const seenRows = (page) => page.evaluate(() => window.hinomiSeen)
