"""Every page, in the order of the navigation."""

from . import confirmations, databases, desk, objection, overview, people, sign_in, static

ROUTERS = (
    static.assets,
    sign_in.door,
    sign_in.invited,
    sign_in.account,
    sign_in.leaving,
    desk.desk,
    overview.overview,
    databases.databases,
    people.preferences,
    people.one_click,
    confirmations.confirming,
    objection.objection,
)
