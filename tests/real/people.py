"""The people whom the gateway in Node invents: gateway.mjs has the same formulas."""

from wxcontacts_async import Contact, ContactKind, Sex

# What one instance has, by user_name.
People = dict[str, tuple[ContactKind, Contact]]


def people_of(w_id: str, contacts: int) -> People:
    """Return whom an instance knows, as a client must receive them."""
    known = (_contact(w_id, number) for number in range(contacts))
    return {contact.user_name: (kind, contact) for kind, contact in known}


def _contact(w_id: str, number: int) -> tuple[ContactKind, Contact]:
    kind = {9: ContactKind.GROUP, 8: ContactKind.OFFICIAL_ACCOUNT}.get(
        number % 10, ContactKind.FRIEND
    )
    user_names = {
        ContactKind.GROUP: f"{w_id}-{number}@chatroom",
        ContactKind.OFFICIAL_ACCOUNT: f"gh_{w_id}-{number}",
        ContactKind.FRIEND: f"wxid_{w_id}-{number}",
    }
    avatar = f"http://wx.qlogo.invalid/mmhead/{w_id}/{number}"
    contact = Contact(
        user_name=user_names[kind],
        alias_name=None if number % 3 else f"alias-{number}",
        nick_name=f'张伟 {number} 🌸 "{w_id}"',
        big_head=None if kind is ContactKind.GROUP else f"{avatar}/0",
        small_head=f"{avatar}/132",
        sex=Sex(number % 3) if kind is ContactKind.FRIEND else Sex.UNKNOWN,
        signature=None if number % 4 else f"慢慢来，比较快 🐢\n{number}",
        country="中国" if number % 2 else None,
        province="北京" if number % 2 else None,
        city="朝阳" if number % 2 else None,
    )
    return kind, contact
