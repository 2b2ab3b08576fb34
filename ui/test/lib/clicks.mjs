// Counts what a person does: clicks and keys.

/** Counts clicks and key presses of a page from now on. Two keys in a row are two. */
export function countClicks(page) {
  let count = 0
  const click = page.click.bind(page)
  const press = page.keyboard.press.bind(page.keyboard)
  page.click = (...args) => (count++, click(...args))
  page.keyboard.press = (...args) => (count++, press(...args))
  return {
    get count() {
      return count
    },
    reset: () => (count = 0),
  }
}
