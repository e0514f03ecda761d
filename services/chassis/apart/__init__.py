"""Large requests in a second process of a service, so that small ones need not share its interpreter."""
